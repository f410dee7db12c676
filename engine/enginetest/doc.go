// Package enginetest helps to test manifolds, and what an engine makes of them.
//
// Inputs is a dependency.Getter for calling a manifold's Start by itself. Started, Stopped, StaysUp,
// StaysDown and CleanKill look at a running engine; where they fail a test they say why the manifold
// isn't as it should be, from itself to the root cause.
//
// # Time
//
// The helpers work in three kinds of time:
//
//   - In a testing/synctest bubble, with an engine on clock.WallClock, everything is exact: a helper
//     looks when all goroutines have come to rest, StaysUp proves that nothing happens in the time
//     that it lets pass, and a day passes at once.
//   - In real time Started and Stopped wait until it is so, and StaysUp waits as long as it is told
//     to.
//   - With a clock that the test moves, as juju's testclock is, use a Kit that has this clock:
//     StaysUp and StaysDown move it, in steps, and give the engine a moment of real time after each.
//     That shows what does happen, and can't prove that nothing would have. Started and Stopped
//     don't move the clock. Inside a bubble this is exact as well.
//
// Started and Stopped end the test when they fail (Fatal), so call them from its own goroutine. The
// others only mark it as failed (Error).
package enginetest
