//go:build !race

package endurancetest

const raced = false
