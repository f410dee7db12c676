package claimertest

import (
	"errors"
	"time"

	"github.com/muster-go/muster/claimer"
)

var releases = []Check{
	{Name: "Release frees the name at once: a waiter is woken and its Claim granted long before the claim would have ended", body: releaseAtOnce},
	{Name: "Release of a claim that was never held is refused with ErrNotHeld", body: releaseNeverHeld},
	{Name: "Release of another's claim is refused with ErrNotHeld and leaves it in force", body: releaseOfAnother},
	{Name: "Release twice is refused with ErrNotHeld the second time", body: releaseTwice},
	{Name: "Release of an earlier claim is refused with ErrNotHeld and leaves the newer one in force", body: releaseOlder},
	{Name: "Release of a claim that ran out is refused with ErrNotHeld and leaves the next holder's in force", body: releaseExpired},
}

// mustNotBeHeld fails the check unless Release is refused with ErrNotHeld.
func (k *kit) mustNotBeHeld(view claimer.Claimer, c claimer.Claim, what string) {
	k.Helper()
	var err error
	for range 10 {
		err = k.release(view, c)
		if errors.Is(err, claimer.ErrNotHeld) {
			return
		}
		if err == nil {
			k.Fatalf("Release of %s returned nil: want an error that is ErrNotHeld", what)
		}
		k.sleep(k.step) // any other error says nothing
	}
	k.late("Release of %s: %v: want an error that is ErrNotHeld", what, err)
}

func releaseAtOnce(k *kit) {
	name := k.name("release")
	kept := k.keep(k.acquire(k.open(), k.candidate(name, "box-1")))
	view, c := k.open(), k.candidate(name, "waiter")
	k.denial(kept, view, c)
	var got term
	woken := k.spawn(func() {
		for view.WaitReleased(k.ctx, c) == nil || k.nap(k.step) {
			if k.ctx.Err() != nil {
				return
			}
			before := k.now()
			claim, err := view.Claim(k.ctx, c, k.d)
			if err == nil {
				got = term{Claim: claim, view: view, since: before, until: before.Add(k.d), at: k.now()}
				return
			}
			k.nap(k.step / 10)
		}
	})
	k.sleep(k.d / 2)
	kept.stop()
	if !kept.inForce(k.now().Add(k.d / 2)) {
		k.late("the holder could not extend its claim in time")
	}
	from := k.now()
	k.free(kept.get())
	if !k.comes(woken, k.ever) {
		k.late("%v after Release a waiter is still not granted the name: Release must wake it (WaitReleased returns nil), and the name is free then", k.ever)
	}
	if took := got.at.Sub(from); took > k.d/2 {
		k.late("a waiter got the name %v after Release was called: want it at once, long before d = %v", took, k.d)
	}
	if got.Token <= kept.get().Token {
		k.Errorf("the waiter's token is %d after the holder's %d: it must be greater", got.Token, kept.get().Token)
	}
	k.free(got)
}

func releaseNeverHeld(k *kit) {
	view := k.open()
	c := k.candidate(k.name("never"), "box-1")
	for _, token := range []uint64{0, 1, 1 << 40} {
		k.mustNotBeHeld(view, claimer.Claim{Candidate: c, Token: token}, "a claim of a name that nobody ever claimed")
	}
}

func releaseOfAnother(k *kit) {
	name := k.name("another")
	view, other := k.open(), k.open()
	c, rival := k.candidate(name, "box-1"), k.candidate(name, "rival")
	kept := k.keep(k.acquire(view, c))
	held := kept.get().Claim
	k.mustNotBeHeld(other, claimer.Claim{Candidate: rival, Token: held.Token}, "the holder's token by a rival")
	k.mustNotBeHeld(view, claimer.Claim{Candidate: rival, Token: held.Token}, "the holder's token by a rival in the same process")
	for _, token := range []uint64{0, held.Token - 1, held.Token + 1} {
		k.mustNotBeHeld(view, claimer.Claim{Candidate: c, Token: token}, "the holder's name with a token that isn't its claim's")
	}
	k.mustNotBeHeld(other, held, "the holder's claim by another process")
	kept.mustDeny(other, rival, "a claim stays in force when others try to release it")
	kept.free()
}

func releaseTwice(k *kit) {
	view := k.open()
	t := k.acquire(view, k.candidate(k.name("twice"), "box-1"))
	k.free(t)
	k.mustNotBeHeld(view, t.Claim, "a claim that was released already")
}

func releaseOlder(k *kit) {
	name := k.name("older")
	view := k.open()
	c := k.candidate(name, "box-1")
	older := k.acquire(view, c)
	k.free(older)
	kept := k.keep(k.acquire(view, c))
	k.mustNotBeHeld(view, older.Claim, "an earlier claim of the same holder")
	kept.mustDeny(k.open(), k.candidate(name, "rival"), "a claim stays in force when an earlier one is released again")
	kept.free()
}

func releaseExpired(k *kit) {
	name := k.name("expired")
	view := k.open()
	old := k.acquire(view, k.candidate(name, "box-1"))
	kept := k.keep(k.acquire(k.open(), k.candidate(name, "box-2")))
	k.mustNotBeHeld(view, old.Claim, "a claim that ran out, while another holds the name")
	kept.mustDeny(view, k.candidate(name, "rival"), "a claim stays in force when one that ran out is released")
	kept.free()
}

// within ends the round if something took longer than it may.
func (k *kit) within(took, limit time.Duration, what string) {
	k.Helper()
	if limit += k.d / 4; took > limit {
		k.late("%s took %v: want at most %v", what, took, limit)
	}
}
