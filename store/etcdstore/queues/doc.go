// Package queues holds one test only: claimer.Queue on a real etcd passes claimertest. It takes most
// of a minute, and so stands beside the driver's other tests.
package queues
