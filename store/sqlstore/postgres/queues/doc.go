// Package queues holds a test only: claimer.Queue on a real PostgreSQL passes claimertest. It takes half
// a minute, and so stands beside the driver's other tests.
package queues
