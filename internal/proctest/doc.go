// Package proctest runs processes in tests: starts them, signals them, and waits for what they say
// and for how they end.
//
// A Process is killed at the end of its test at the latest, and what it said is logged if the test
// failed. Methods that fail fail the test, so they must be called from its goroutine. Every wait is
// for a condition, and bounded by Patience.
//
// It does not know what it runs: the program, its environment and its folders are the test's. Only
// tests may import it (internal/imports).
package proctest
