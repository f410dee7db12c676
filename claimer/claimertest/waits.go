package claimertest

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/claimer"
)

var waits = []Check{
	{Name: "WaitReleased returns nil when the name is free", body: waitFree},
	{Name: "WaitReleased blocks while the name is held: a waiter makes no hot loop", body: waitBlocks},
	{Name: "WaitReleased returns nil when the holder fell silent, and the name is granted then", body: waitSilent},
	{Name: "after the holder's process died the next candidate gets the name within WorstFailover, and not before d", body: waitDead},
	{Name: "a waiter whose process died does not stand in the way of the next", body: deadWaiter},
}

var cancellations = []Check{
	{Name: "WaitReleased ends with its context's error, at once", body: waitContext},
	{Name: "WaitReleased leaks nothing when its context ends", alone: true, body: waitLeak},
	{Name: "a waiter whose context was cancelled does not stand in the way of the next", body: cancelledWaiter},
	{Name: "a Claim with a context that has ended is an error, and leaves no ghost that holds the name", body: cancelledClaim},
	{Name: "a Claim whose context ends in the middle leaves no ghost that holds the name", body: interruptedClaim},
}

func waitFree(k *kit) {
	name := k.name("free")
	view, c := k.open(), k.candidate(name, "box-1")
	wait := func() {
		k.Helper()
		if err := k.waitAtMost(view, c, k.ever); err != nil {
			k.Fatalf("WaitReleased of a free name: %v: want nil", err)
		}
	}
	wait()
	t := k.acquire(k.open(), k.candidate(name, "box-2"))
	k.free(t)
	wait()
	k.free(k.acquire(view, c))
}

func waitBlocks(k *kit) {
	const times = 100
	name := k.name("blocked")
	kept := k.keep(k.acquire(k.open(), k.candidate(name, "box-1")))
	view, c := k.open(), k.candidate(name, "waiter")
	k.denial(kept, view, c)
	var woken, asked atomic.Int64
	ctx, cancel := context.WithCancel(k.ctx)
	defer cancel()
	ended := k.spawn(func() {
		for asked.Load() < times && ctx.Err() == nil {
			if view.WaitReleased(ctx, c) == nil {
				woken.Add(1)
			}
			asked.Add(1)
			_, _ = view.Claim(ctx, c, k.d)
		}
	})
	k.comes(ended, 2*k.d)
	cancel()
	if !k.comes(ended, k.ever) {
		k.late("WaitReleased, or Claim, did not end within %v of its context", k.ever)
	}
	if n := asked.Load(); n >= times && kept.inForce(k.now()) {
		k.Errorf("a candidate that waits and claims in turn asked %d times within %v while the name was held (woken %d times): WaitReleased must block until it is worth claiming again", n, 2*k.d, woken.Load())
	}
	kept.free()
}

func waitSilent(k *kit) {
	name := k.name("silent")
	old := k.acquire(k.open(), k.candidate(name, "silent"))
	view, c := k.open(), k.candidate(name, "waiter")
	got := k.acquire(view, c)
	if got.at.Before(old.until) {
		k.Fatalf("the waiter was granted the name %v before the silent holder's claim ended", old.until.Sub(got.at))
	}
	k.within(got.at.Sub(old.at), k.d+k.worst, "to get the name of a holder that fell silent")
	k.free(got)
}

func waitDead(k *kit) {
	k.needs("Kill", k.h.Kill != nil)
	name := k.name("dead")
	doomed := k.fragile()
	old := k.acquire(doomed, k.candidate(name, "doomed"))
	view, c := k.open(), k.candidate(name, "waiter")
	if t, err := k.claim(view, c); err == nil {
		k.h.Kill(doomed)
		if t.at.Before(old.until) {
			k.Fatalf("a rival was granted %q while it was held", name)
		}
		k.late("the claim ended before the holder's process could die")
	}
	died := k.now()
	k.h.Kill(doomed)
	got := k.acquire(view, c)
	if got.at.Before(old.until) {
		k.Fatalf("the waiter was granted the name %v before the dead holder's claim ended", old.until.Sub(got.at))
	}
	if got.Token <= old.Token {
		k.Errorf("the next holder's token is %d after %d: it must be greater", got.Token, old.Token)
	}
	k.within(got.at.Sub(died), k.worst, "from the holder's death to the next claim")
	k.free(got)
}

func deadWaiter(k *kit) {
	k.needs("Kill", k.h.Kill != nil)
	name := k.name("dead-waiter")
	kept := k.keep(k.acquire(k.open(), k.candidate(name, "box-1")))
	doomed, c := k.fragile(), k.candidate(name, "doomed")
	k.denial(kept, doomed, c)
	k.spawn(func() { _ = doomed.WaitReleased(k.ctx, c) })
	k.sleep(k.d / 4)
	next := k.candidate(name, "next")
	view := k.open()
	k.denial(kept, view, next)
	k.h.Kill(doomed)
	kept.free()
	from := k.now()
	got := k.acquire(view, next)
	k.within(got.at.Sub(from), k.d+k.worst, "to get the name behind a waiter that died")
	k.free(got)
}

func waitContext(k *kit) {
	name := k.name("context")
	kept := k.keep(k.acquire(k.open(), k.candidate(name, "box-1")))
	view := k.open()
	for _, end := range []struct {
		what string
		want error
		ctx  func() (context.Context, context.CancelFunc)
	}{
		{"is cancelled", context.Canceled, func() (context.Context, context.CancelFunc) { return k.timeout(k.ctx, k.d/4) }},
		{"passes its deadline", context.DeadlineExceeded, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(k.ctx, min(k.d/4, 100*time.Millisecond))
		}},
		{"was cancelled before", context.Canceled, func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(k.ctx)
			cancel()
			return ctx, cancel
		}},
	} {
		c := k.candidate(name, "waiter")
		k.denial(kept, view, c)
		ctx, cancel := end.ctx()
		result := make(chan error, 1)
		ended := make(chan time.Time, 1)
		context.AfterFunc(ctx, func() { ended <- k.now() })
		done := k.spawn(func() {
			for ctx.Err() == nil { // it may be woken without need
				if err := view.WaitReleased(ctx, c); err != nil || ctx.Err() != nil {
					result <- err
					return
				}
				k.nap(k.step / 10)
			}
			result <- ctx.Err()
		})
		if !k.comes(done, k.ever) {
			cancel()
			k.late("WaitReleased did not return within %v though its context %s", k.ever, end.what)
		}
		took := k.now().Sub(<-ended)
		cancel()
		if err := <-result; !errors.Is(err, end.want) && kept.inForce(k.now()) {
			k.Errorf("WaitReleased, when its context %s: %v: want an error that is %q", end.what, err, end.want)
		}
		k.within(took, k.d/4, "for WaitReleased to return when its context "+end.what)
	}
	kept.free()
}

func waitLeak(k *kit) {
	const waiters = 200
	name := k.name("leak")
	kept := k.keep(k.acquire(k.open(), k.candidate(name, "box-1")))
	view := k.open()
	c := k.candidate(name, "waiter")
	k.denial(kept, view, c)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(k.ctx)
	defer cancel()
	for range waiters {
		k.spawn(func() { _ = view.WaitReleased(ctx, c) })
	}
	k.sleep(k.d / 10)
	cancel()
	most := before + waiters/2
	for began := k.now(); runtime.NumGoroutine() > most; k.sleep(k.step) {
		if k.now().Sub(began) > k.ever {
			k.late("%d goroutines before and %d now, after %d calls of WaitReleased whose context ended: they leak", before, runtime.NumGoroutine(), waiters)
		}
	}
	kept.free()
}

func cancelledWaiter(k *kit) {
	name := k.name("cancelled")
	holder := k.open()
	kept := k.keep(k.acquire(holder, k.candidate(name, "box-1")))
	for _, first := range []claimer.Claimer{holder, k.open()} { // also in the holder's own process
		quitter, next := k.candidate(name, "quitter"), k.candidate(name, "next")
		k.denial(kept, first, quitter)
		ctx, cancel := context.WithCancel(k.ctx)
		quit := k.spawn(func() { _ = first.WaitReleased(ctx, quitter) })
		k.sleep(k.d / 4)
		view := k.open()
		k.denial(kept, view, next)
		cancel()
		if !k.comes(quit, k.ever) {
			k.late("WaitReleased did not return within %v of the end of its context", k.ever)
		}
		kept.free()
		from := k.now()
		got := k.acquire(view, next)
		k.within(got.at.Sub(from), k.d+k.worst, "to get the name behind a waiter that was cancelled")
		kept = k.keep(got)
	}
	kept.free()
}

func cancelledClaim(k *kit) {
	name := k.name("ended")
	view := k.open()
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	r := call(k, "Claim with a context that has ended", func(context.Context) (claimer.Claim, error) {
		return view.Claim(ctx, k.candidate(name, "ghost"), k.d)
	})
	if r.err == nil {
		k.Errorf("Claim with a context that has ended returned nil: want an error")
	}
	k.sane(r.err)
	k.noGhost(name, r.after)
}

func interruptedClaim(k *kit) {
	name := k.name("interrupted")
	view := k.open()
	for i := range 8 {
		c := k.candidate(name, "ghost")
		r := call(k, "Claim", func(ctx context.Context) (claimer.Claim, error) {
			ctx, cancel := k.timeout(ctx, time.Duration(i)*k.d/1000)
			defer cancel()
			return view.Claim(ctx, c, k.d)
		})
		k.sane(r.err)
		if r.err == nil {
			k.free(term{Claim: r.value, view: view, until: r.before.Add(k.d)})
		}
	}
	k.noGhost(name, k.now())
}

// noGhost has another get the name in time.
func (k *kit) noGhost(name string, from time.Time) {
	k.Helper()
	got := k.acquire(k.open(), k.candidate(name, "living"))
	k.within(got.at.Sub(from), k.d+k.worst, "to get a name that only cancelled Claims stood for")
	k.free(got)
}

// needs skips the check, aloud, if the harness lacks a lever.
func (k *kit) needs(lever string, there bool) {
	k.Helper()
	if !there {
		k.Skipf("the Harness has no %s: give it one to have this rule checked", lever)
	}
}
