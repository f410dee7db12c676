package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/juju/worker/v4"

	"github.com/muster-go/muster/engine"
)

// DefaultPatience is how long the helpers wait for what must happen. In a synctest bubble that is
// fake time.
const DefaultPatience = 30 * time.Second

// Clock is a clock that stands still until it is moved; juju's *testclock.Clock is one.
type Clock interface {
	Advance(time.Duration)
}

// Kit has the helpers for an engine on a clock that the test moves, or with another patience. The
// package's functions are those of the zero Kit.
type Kit struct {
	// Clock is the engine's, if the test moves it. Default: time passes by itself.
	Clock Clock
	// Patience is how long to wait for what must happen. Default: DefaultPatience.
	Patience time.Duration
}

// Started is Kit.Started for time that passes by itself.
func Started(t testing.TB, e *engine.Engine, names ...string) {
	t.Helper()
	Kit{}.Started(t, e, names...)
}

// Stopped is Kit.Stopped for time that passes by itself.
func Stopped(t testing.TB, e *engine.Engine, names ...string) {
	t.Helper()
	Kit{}.Stopped(t, e, names...)
}

// StaysUp is Kit.StaysUp for time that passes by itself.
func StaysUp(t testing.TB, e *engine.Engine, name string, d time.Duration) {
	t.Helper()
	Kit{}.StaysUp(t, e, name, d)
}

// StaysDown is Kit.StaysDown for time that passes by itself.
func StaysDown(t testing.TB, e *engine.Engine, name string, d time.Duration) {
	t.Helper()
	Kit{}.StaysDown(t, e, name, d)
}

// CleanKill is Kit.CleanKill with DefaultPatience.
func CleanKill(t testing.TB, w worker.Worker) {
	t.Helper()
	Kit{}.CleanKill(t, w)
}

// Started waits until each of the manifolds has a running worker, all at the same time; a Flag's
// value doesn't matter. It ends the test if that doesn't come to be.
func (k Kit) Started(t testing.TB, e *engine.Engine, names ...string) {
	t.Helper()
	k.await(t, e, "isn't up", isUp, names)
}

// Stopped waits until none of the manifolds has a worker or is starting one, all at the same time.
// It ends the test if that doesn't come to be.
func (k Kit) Stopped(t testing.TB, e *engine.Engine, names ...string) {
	t.Helper()
	k.await(t, e, "hasn't stopped", isDown, names)
}

// StaysUp fails the test unless the manifold has a running worker now, and still has the same one
// when d has passed.
func (k Kit) StaysUp(t testing.TB, e *engine.Engine, name string, d time.Duration) {
	t.Helper()
	before, ok := k.look(t, e, name)
	if !ok {
		return
	}
	if !isUp(before) {
		t.Errorf("%s isn't up to begin with\n%s", name, before)
		return
	}
	k.pass(d)
	after, ok := k.look(t, e, name)
	switch {
	case !ok:
	case !isUp(after):
		t.Errorf("%s didn't stay up for %v%s\n%s", name, d, latest(after), after)
	case after.Starts != before.Starts:
		t.Errorf("%s didn't stay up for %v: it was started again, now %d times%s\n%s", name, d, after.Starts, latest(after), after)
	}
}

// StaysDown fails the test unless the manifold has no worker now, and none was started when d has
// passed. A Start that fails, and is tried again, starts none.
func (k Kit) StaysDown(t testing.TB, e *engine.Engine, name string, d time.Duration) {
	t.Helper()
	before, ok := k.look(t, e, name)
	if !ok {
		return
	}
	if hasWorker(before) {
		t.Errorf("%s isn't down to begin with\n%s", name, before)
		return
	}
	k.pass(d)
	after, ok := k.look(t, e, name)
	switch {
	case !ok:
	case hasWorker(after):
		t.Errorf("%s didn't stay down for %v\n%s", name, d, after)
	case after.Starts != before.Starts:
		t.Errorf("%s didn't stay down for %v: it was started meanwhile%s\n%s", name, d, latest(after), after)
	}
}

// CleanKill kills the worker, an engine perhaps, and fails the test unless it ends in time and
// without an error.
func (k Kit) CleanKill(t testing.TB, w worker.Worker) {
	t.Helper()
	if w == nil {
		t.Errorf("there is no worker to kill: it is nil")
		return
	}
	ended := make(chan error, 1)
	go func() {
		w.Kill()
		ended <- w.Wait()
	}()
	giveUp := time.NewTimer(k.patience())
	defer giveUp.Stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%T was killed and ended with an error: %v", w, err)
		}
	case <-giveUp.C:
		t.Errorf("%T hasn't ended %v after Kill%s", w, k.patience(), treeOf(w))
	}
}

func isUp(n engine.Node) bool { return n.State == engine.StateRunning }

// hasWorker says whether a worker of the manifold is alive.
func hasWorker(n engine.Node) bool {
	return n.State == engine.StateRunning || n.State == engine.StateStopping || n.State == engine.StateStuck
}

func isDown(n engine.Node) bool { return !hasWorker(n) && n.State != engine.StateStarting }

// latest tells the latest failure, if there was one.
func latest(n engine.Node) string {
	if n.LastError == "" {
		return ""
	}
	return "; last error: " + n.LastError
}

// treeOf draws an engine.
func treeOf(w worker.Worker) string {
	e, ok := w.(interface{ Snapshot() engine.Snapshot })
	if !ok {
		return ""
	}
	return "\n" + e.Snapshot().Tree()
}

func (k Kit) patience() time.Duration {
	if k.Patience == 0 {
		return DefaultPatience
	}
	return k.Patience
}

// look gives the manifold as it is when all has come to rest.
func (k Kit) look(t testing.TB, e *engine.Engine, name string) (engine.Node, bool) {
	t.Helper()
	settle()
	s := e.Snapshot()
	node, ok := s.Node(name)
	if !ok {
		t.Errorf("the engine has no manifold %q\n%s", name, s.Tree())
	}
	return node, ok
}

// settle lets a synctest bubble come to rest: there, time passes only when all goroutines wait.
func settle() { time.Sleep(time.Nanosecond) }

// A Clock is moved in so many steps, so that what is due in one can set a timer for the next one; the
// pauses, after each and after the last, are for the goroutines that it wakes.
const (
	steps     = 10
	pause     = 5 * time.Millisecond
	lastPause = 100 * time.Millisecond
)

// pass lets time pass.
func (k Kit) pass(d time.Duration) {
	if k.Clock == nil {
		time.Sleep(d)
		return
	}
	for i := range steps {
		k.Clock.Advance(d*time.Duration(i+1)/steps - d*time.Duration(i)/steps)
		time.Sleep(pause)
	}
	time.Sleep(lastPause)
}

// await waits until all of the manifolds are as they should be.
func (k Kit) await(t testing.TB, e *engine.Engine, complaint string, good func(engine.Node) bool, names []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := e.Subscribe(ctx, 1)
	giveUp := time.NewTimer(k.patience())
	defer giveUp.Stop()
	for late := false; ; {
		settle()
		s := e.Snapshot()
		var bad []engine.Node
		for _, name := range names {
			node, ok := s.Node(name)
			if !ok {
				t.Fatalf("the engine has no manifold %q\n%s", name, s.Tree())
			}
			if !good(node) {
				bad = append(bad, node)
			}
		}
		switch {
		case bad == nil:
			return
		case late || s.State == engine.StateFinished:
			for _, node := range bad {
				t.Errorf("%s %s\n%s", node.Name, complaint, node)
			}
			t.Fatalf("waited %v for %q; the engine is %s", k.patience(), names, s.State)
		}
		// An event comes when something begins to change. The look after a pause sees what came of it.
		again := time.NewTimer(pause)
		select {
		case _, open := <-events:
			if !open {
				events = nil
			}
		case <-again.C:
		case <-giveUp.C:
			late = true
		}
		again.Stop()
	}
}
