// Package etcdtest gives tests a real etcd, in the test's own process, and levers to disturb it.
//
// A Server is one etcd node: it can be stopped as by a power cut, started again with its data, with
// none, or with those of an earlier Snapshot, always at the same address. A Cluster is several
// nodes whose members can be stopped, and cut off from their peers.
//
// Everything ends with the test: nobody needs to close anything. Methods that fail fail the test,
// so they must be called from its goroutine.
//
// Each binary that imports this package grows to 45 MB and takes a while to link: keep them few.
// Only tests may import it (internal/imports).
package etcdtest
