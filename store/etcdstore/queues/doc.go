// Package queues holds tests only: claimer.Queue on a real etcd passes claimertest, and a thousand
// elections at rest ask no more of etcd than one. They take most of a minute and a core, and so stand
// beside the driver's other tests.
package queues
