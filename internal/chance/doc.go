// Package chance draws what must be random from a source of bytes: crypto/rand in a program, a
// stream of a seed in a simulation that must run the same way twice.
package chance
