package claimertest

import (
	"context"
	"errors"
	"sync"

	"github.com/muster-go/muster/claimer"
)

var holds = []Check{
	{Name: "a Keeper's held claim stays in force though nobody extends it, until the hold and the claim are released", body: heldStays},
	{Name: "a Keeper's Deadline is never before what Claim promised", body: deadlinePromised},
	{Name: "a Keeper refuses a hold on a claim that isn't in force with ErrNotHeld", body: holdNotHeld},
	{Name: "a Keeper's Release waits until the last hold is dropped, and then is done", body: releaseWaits},
	{Name: "a Keeper's Release that waits for a hold ends with its context, and the claim is given up when the hold is dropped", body: releaseBounded},
	{Name: "dropping one hold twice does not drop another", body: dropTwice},
}

// keeper gives the view as a Keeper, or skips the check.
func (k *kit) keeper(view claimer.Claimer) claimer.Keeper {
	k.Helper()
	keeper, ok := view.(claimer.Keeper)
	if !ok {
		k.Skipf("%T is no claimer.Keeper: it has no Hold to check", view)
	}
	return keeper
}

// held is a claim with a hold on it.
type held struct {
	term
	claimer.Hold
	keeper claimer.Keeper
	drop   func() // Hold.Release
}

// hold gets a claim and a hold on it.
func (k *kit) hold(keeper claimer.Keeper, c claimer.Candidate) held {
	k.Helper()
	t := k.acquire(keeper, c)
	h, err := keeper.Hold(t.Claim)
	if err != nil {
		if k.now().Before(t.until) {
			k.Fatalf("Hold of a claim that is in force for another %v: %v", t.until.Sub(k.now()), err)
		}
		k.late("the claim ended before Hold was called: %v", err)
	}
	drop := sync.OnceFunc(h.Release)
	k.Cleanup(drop)
	return held{term: t, Hold: h, keeper: keeper, drop: drop}
}

// lost says whether the hold's claim is over.
func (h held) lost() bool {
	select {
	case <-h.Lost():
		return true
	default:
		return false
	}
}

// mustLast has a rival ask for a time in which the claim would have ended had it not been held.
func (h held) mustLast(k *kit, rival claimer.Claimer, rule string) {
	k.Helper()
	c := k.candidate(h.Name, "rival")
	for until := k.now().Add(2*k.d + k.worst); k.now().Before(until); k.sleep(k.step) {
		t, err := k.claim(rival, c)
		if err == nil && (t.at.Before(h.Deadline()) || !h.lost()) {
			k.Fatalf("%s: a rival was granted %q while a hold is out on it (lost: %v, deadline in %v)", rule, h.Name, h.lost(), h.Deadline().Sub(t.at))
		}
		if h.lost() {
			k.late("%s: the claim was lost", rule)
		}
	}
}

func heldStays(k *kit) {
	h := k.hold(k.keeper(k.open()), k.candidate(k.name("held"), "box-1"))
	rival := k.open()
	before := h.Deadline()
	h.mustLast(k, rival, "a held claim goes on being renewed")
	if !h.Deadline().After(before) {
		k.Errorf("Deadline stood still while the held claim was kept: it must move on as the claim is renewed")
	}
	select {
	case <-h.ResignAsked():
		k.Errorf("ResignAsked is closed though nobody asked")
	default:
	}
	h.drop()
	_ = k.release(h.keeper, h.Claim)
	k.free(k.acquire(rival, k.candidate(h.Name, "next")))
}

func deadlinePromised(k *kit) {
	keeper := k.keeper(k.open())
	c := k.candidate(k.name("deadline"), "box-1")
	h := k.hold(keeper, c)
	promised := h.until
	for range 4 {
		if deadline := h.Deadline(); deadline.Before(promised) && !h.lost() {
			k.Errorf("Deadline is %v before the moment that Claim promised", promised.Sub(deadline))
		}
		k.sleep(k.d / 4)
		if t, err := k.claim(keeper, c); err == nil && t.Token == h.Token {
			promised = t.until
		}
	}
	h.drop()
	k.free(term{Claim: h.Claim, view: keeper, until: promised})
}

func holdNotHeld(k *kit) {
	keeper := k.keeper(k.open())
	c := k.candidate(k.name("unheld"), "box-1")
	refused := func(claim claimer.Claim, what string) {
		k.Helper()
		h, err := keeper.Hold(claim)
		if err == nil {
			h.Release()
		}
		if !errors.Is(err, claimer.ErrNotHeld) {
			k.Errorf("Hold of %s: %v: want an error that is ErrNotHeld", what, err)
		}
	}
	refused(claimer.Claim{Candidate: c, Token: 1}, "a claim that was never held")
	old := k.acquire(keeper, c)
	k.free(old)
	refused(old.Claim, "a claim that was released")
	now := k.acquire(keeper, c)
	refused(old.Claim, "an earlier claim of the same holder")
	rival := k.candidate(c.Name, "rival")
	refused(claimer.Claim{Candidate: rival, Token: now.Token}, "the holder's token by a rival")
	k.free(now)
}

func releaseWaits(k *kit) {
	h := k.hold(k.keeper(k.open()), k.candidate(k.name("waits"), "box-1"))
	second, err := h.keeper.Hold(h.Claim)
	if err != nil {
		k.late("a second hold: %v", err)
	}
	drop := sync.OnceFunc(second.Release)
	defer drop()
	var result error
	released := k.spawn(func() { result = h.keeper.Release(k.ctx, h.Claim) })
	rival := k.open()
	stillOut := func() {
		k.Helper()
		h.mustLast(k, rival, "Release waits for holds")
		if k.comes(released, 0) {
			if result == nil && !h.lost() {
				k.Fatalf("Release returned nil while a hold was out: it must wait for guarded work")
			}
			k.late("Release returned while a hold was out: %v", result)
		}
	}
	stillOut()
	h.drop()
	stillOut()
	drop()
	if !k.comes(released, k.ever) {
		k.late("Release did not return within %v of the last hold's end", k.ever)
	}
	if result != nil {
		k.late("Release, once the last hold was dropped: %v", result)
	}
	k.free(k.acquire(rival, k.candidate(h.Name, "next")))
}

func releaseBounded(k *kit) {
	h := k.hold(k.keeper(k.open()), k.candidate(k.name("bounded"), "box-1"))
	r := call(k, "Release with a context that ends", func(ctx context.Context) (struct{}, error) {
		ctx, cancel := k.timeout(ctx, k.d/4)
		defer cancel()
		return struct{}{}, h.keeper.Release(ctx, h.Claim)
	})
	if !errors.Is(r.err, context.Canceled) && !h.lost() {
		k.Fatalf("Release while a hold was out, when its context ended: %v: want an error that is %q", r.err, context.Canceled)
	}
	rival := k.open()
	h.mustLast(k, rival, "Release that gave up waiting leaves the held claim in force")
	h.drop()
	from := k.now()
	if err := k.release(h.keeper, h.Claim); err != nil && !errors.Is(err, claimer.ErrNotHeld) {
		k.late("Release again, once the hold was dropped: %v", err)
	}
	got := k.acquire(rival, k.candidate(h.Name, "next"))
	k.within(got.at.Sub(from), k.d+k.worst, "to get the name once the hold was dropped")
	k.free(got)
}

func dropTwice(k *kit) {
	h := k.hold(k.keeper(k.open()), k.candidate(k.name("counted"), "box-1"))
	for range 2 {
		other, err := h.keeper.Hold(h.Claim)
		if err != nil {
			k.late("a further hold: %v", err)
		}
		other.Release()
		other.Release()
	}
	h.mustLast(k, k.open(), "dropping one hold twice does not drop another")
	h.drop()
	k.free(term{Claim: h.Claim, view: h.keeper, until: h.until})
}
