//go:build !race

package enginestest

var buildFlags []string
