// Package devserver is the HTTP side of `agent dev`: whether it lives, whether it is ready, its
// metrics, and a page about itself.
//
// /livez answers 200 as long as the process serves. /readyz answers 200 once the election was seen,
// and 503 while the store can't be reached; with ?verbose it names each check. /metrics has the
// muster_… metrics of the store and of the election, and those of the Go runtime.
package devserver
