// Package engine runs a set of dependency.Manifolds of github.com/juju/worker/v4 in one process: it
// starts each worker when those that it depends on are up, restarts what fails, stops everything in
// the reverse order, and can say at any moment why something isn't running.
//
// # Vocabulary
//
// A manifold says how to start a worker, from which inputs. A node is a manifold in an Engine. A
// worker is up from when its Start has returned it until it is asked to stop or ends. What depends on
// a node, directly, is its dependent; a worker stands on the workers of the inputs that were up when
// its Start was called, and on what those stand on. A Flag is a worker that is of use to those who
// require it only if it says true. Killing asks; a worker has stopped when its Wait has returned.
//
// # Promises
//
//  1. Inputs are required: Start is called only while the worker of every declared input is up and, if
//     it is a Flag, true. So nobody starts guarded work because he forgot to Get the gate, and one
//     restart of an input starts each dependent once. This is the one departure from juju's engine,
//     which calls Start whatever the inputs. An input marked with Optional doesn't count: Start
//     waits for one that is about to be up for Config.RestartDelay at most, then it runs without, and
//     the worker is restarted when that input comes up and when it stops.
//
//  2. Stops are ordered. When a worker is to stop, or ended by itself, then whatever stands on it is
//     stopped first, the deepest first of all, and waited for; only then is it killed, and waited for;
//     then it may start again. It is so for the end of the Engine, Bounce, Uninstall, Vacate, an input
//     that stops, and a failure. A Start under way has its context ended; a worker that it returns all
//     the same is killed. Start's context ends when its worker is killed or has ended.
//
//  3. What ignores Kill for Config.StopTimeout, or is a Start that doesn't return so long after its
//     context ended, is stuck: that is logged and shown, and the rest goes on without it. What it
//     stands on is stopped and started as if it had stopped. It starts again only when its old worker
//     has really ended. An Engine that ends names it in a StuckError.
//
//  4. But a worker that guards something calls Vacate, which waits for the stuck too. While it waits,
//     an Engine that ends leaves it running, and all that it stands on: a claim goes on being renewed,
//     and isn't given up, while work that it guards goes on in this process.
//
//  5. A panic in Start, Wait, Kill, Report, Output, Filter, Check, Reason, IsFatal or a method of an
//     error becomes a PanicError, logged with its stack. Panics of goroutines that a worker starts
//     can't be caught.
//
//  6. Errors, as the manifold's Filter leaves them, are compared by errors.Is. dependency.ErrBounce
//     restarts at once (a worker that does nothing else is slowed down), ErrMissing waits for an input
//     to start or stop, ErrUninstall removes the manifold, also when it was asked to stop; its
//     dependents stay blocked. Without an error the manifold is finished until an input changes. Any
//     other error is a failure: it is tried again after a delay that doubles, or once an input
//     changes. An error that Config.IsFatal finds fatal ends the Engine.
//
//  7. A Snapshot never waits for a worker, and no code of a manifold runs with the Engine's state
//     locked: one that blocks delays only itself. Subscribers never delay anything.
//
//  8. Nothing is kept of a restart, nor of what was uninstalled. After Wait has returned nil, no
//     goroutine of the Engine is left. All time is told by Config.Clock; it runs in a
//     testing/synctest bubble and on a testclock.
//
// # What it doesn't do
//
// It can't end a goroutine that doesn't want to: after a StuckError, exit the process. It doesn't
// protect what a Start does before its worker is up; and an input that is optional, and stops while
// the worker that stands on it is stuck, is gone as for everybody.
//
// # How it stands on juju's engine
//
// A dependency.Engine, as it is, hosts the set: each manifold of ours is run by a worker there, which
// has no inputs and never restarts, which is on purpose: see node and seat. All restarts, and the
// order of things, are this package's.
package engine
