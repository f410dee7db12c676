//go:build race

package leadership_test

// oneAtATime does nothing: the race detector's scheduler draws which goroutine runs next.
func oneAtATime() {}
