//go:build race

package enginestest

// buildFlags have the agent built as the tests are: with what is compiled already.
var buildFlags = []string{"-race"}
