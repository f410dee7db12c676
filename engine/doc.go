// Package engine runs a set of dependency.Manifolds of github.com/juju/worker/v4 in one process: it
// starts each worker when those that it depends on are up, restarts what fails, stops in the reverse
// order, and can say at any moment why something isn't running.
package engine
