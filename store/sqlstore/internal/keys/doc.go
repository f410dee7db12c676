// Package keys holds what all SQL databases do alike with keys and writes: which keys a prefix means,
// and which writes no database may see.
package keys
