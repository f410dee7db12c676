//go:build race

package endurancetest

// raced: with the race detector a cycle takes several times as long.
const raced = true
