// Package queues holds a test only: claimer.Queue on a real Consul passes claimertest. It takes half a
// minute, and so stands beside the driver's other tests.
package queues
