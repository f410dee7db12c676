//go:build !linux

package mutants

// endMarked does nothing: who has which variable is told on Linux only.
func endMarked(string, int) {}
