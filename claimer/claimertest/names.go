package claimertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muster-go/muster/claimer"
)

var names = []Check{
	{Name: "names don't interfere, however alike: prefixes, parts, case, wildcards, escapes, Unicode", body: alike},
	{Name: "a holder of scout-eu and its waiters don't disturb scout", body: scouts},
}

var refusals = []Check{
	{Name: "a name that can't be one is ErrInvalid", body: badNames},
	{Name: "an empty holder is ErrInvalid, and nothing is left behind", body: badHolder},
	{Name: "a d that isn't above 0 is ErrInvalid, and nothing is left behind", body: badDuration},
}

func alike(k *kit) {
	one, two := k.open(), k.open()
	for i, pair := range [][2]string{
		{"scout", "scout-eu"},
		{"x", "xother"},
		{"a", "a/b"},
		{"a/b", "a%2Fb"},
		{"a/b", "a_b"},
		{"a_b", "axb"},
		{"a%b", "axxb"},
		{"a*", "ab"},
		{"Case", "case"},
		{"größe", "grösse"},
		{"caf\u00e9", "cafe\u0301"},
		{"日本", "日本語"},
		{"with space", "with"},
		{"with space ", "with space"},
		{"q'; DROP TABLE x; --", "q"},
		{`back\slash`, "back/slash"},
		{"a:b", "a"},
		{"a#b", "a"},
	} {
		for _, order := range [][2]int{{0, 1}, {1, 0}} {
			mark := k.name(fmt.Sprintf("%d-%d-", i, order[0]))
			k.dontInterfere(one, two, mark+pair[order[0]], mark+pair[order[1]])
		}
	}
}

// dontInterfere claims both names, and releases the second while the first is held.
func (k *kit) dontInterfere(one, two claimer.Claimer, name, alike string) {
	k.Helper()
	t := k.acquire(one, k.candidate(name, "box-1"))
	c := k.candidate(alike, "box-2")
	u, err := k.claim(two, c)
	if denied, ok := errors.AsType[*claimer.DeniedError](err); ok && denied.Holder != nil {
		k.Fatalf("%q was denied while only %q is held: %v", alike, name, err)
	} else if err != nil {
		u = k.acquire(two, c)
	}
	stillHeld := func(when string) {
		k.Helper()
		if rival, err := k.claim(two, k.candidate(name, "rival")); err == nil && rival.at.Before(t.until) {
			k.Fatalf("a rival was granted %q while it was held, %s", name, when)
		}
	}
	stillHeld(fmt.Sprintf("with %q held by another", alike))
	k.free(u)
	stillHeld(fmt.Sprintf("after %q was released", alike))
	if err := k.release(one, t.Claim); err != nil && k.now().Before(t.until) {
		k.Fatalf("Release of %q after that of %q: %v", name, alike, err)
	}
}

func scouts(k *kit) {
	eu, scout := k.name("scout-eu"), k.name("scout")
	kept := k.keep(k.acquire(k.open(), k.candidate(eu, "box-1")))
	waiter, c := k.open(), k.candidate(eu, "waiter")
	k.denial(kept, waiter, c)
	k.spawn(func() {
		for k.ctx.Err() == nil {
			if waiter.WaitReleased(k.ctx, c) == nil {
				_, _ = waiter.Claim(k.ctx, c, k.d)
			}
			k.nap(k.step)
		}
	})
	led := k.ledger()
	view := k.open()
	done := k.spawn(func() { led.run(campaign{view: view, c: led.stand(scout, "box-2"), wins: 3}) })
	from := k.now()
	if !k.comes(done, k.ever) {
		k.late("%q was not granted 3 times within %v though only %q is held", scout, k.ever, eu)
	}
	k.within(k.now().Sub(from), 2*k.d, "to claim and release a free name 3 times while another is held")
	kept.mustDeny(view, k.candidate(eu, "rival"), "a claim stays in force when one of another name is released")
	kept.stop()
}

var unusable = []string{
	"", ".", "..", "/", "../x", "a/../b", "a/.", "./a", "a//b", "/a", "a/", "a\x00b", "a\nb", "a\x7fb", "a\xffb", strings.Repeat("long", 250),
}

func isInvalid(err error) bool { return errors.Is(err, claimer.ErrInvalid) }

func badNames(k *kit) {
	view := k.open()
	for _, name := range unusable {
		c := claimer.Candidate{Name: name, Holder: "box-1#" + k.mark}
		k.mustBeInvalid(view, c, k.d, "a name that can't be one")
		err := k.waitAtMost(view, c, k.ever)
		if !isInvalid(err) {
			k.Errorf("WaitReleased of the name %.20q: %v: want an error that is ErrInvalid", name, err)
		}
		r := call(k, "Release of a bad name", func(ctx context.Context) (struct{}, error) {
			return struct{}{}, view.Release(ctx, claimer.Claim{Candidate: c, Token: 1})
		})
		if !isInvalid(r.err) && !errors.Is(r.err, claimer.ErrNotHeld) {
			k.Errorf("Release of the name %.20q: %v: want an error that is ErrInvalid or ErrNotHeld", name, r.err)
		}
	}
}

func badHolder(k *kit) {
	name := k.name("holder")
	view := k.open()
	k.mustBeInvalid(view, claimer.Candidate{Name: name}, k.d, "an empty holder")
	k.firstAnswer(k.open(), k.candidate(name, "box-1"))
}

func badDuration(k *kit) {
	name := k.name("duration")
	view := k.open()
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		k.mustBeInvalid(view, k.candidate(name, "box-1"), d, "a d that isn't above 0")
	}
	k.firstAnswer(k.open(), k.candidate(name, "box-2"))
}

func (k *kit) mustBeInvalid(view claimer.Claimer, c claimer.Candidate, d time.Duration, what string) {
	k.Helper()
	r := call(k, "Claim with "+what, func(ctx context.Context) (claimer.Claim, error) {
		return view.Claim(ctx, c, d)
	})
	if !isInvalid(r.err) {
		k.Errorf("Claim of %.20q by %q for %v: %v: want an error that is ErrInvalid, for %s", c.Name, c.Holder, d, r.err, what)
	}
}

// firstAnswer claims a name that nobody can be standing for, and fails the check if somebody is.
func (k *kit) firstAnswer(view claimer.Claimer, c claimer.Candidate) {
	k.Helper()
	k.free(k.acquire(view, k.candidate(k.name("other"), "box-0"))) // the view is ready
	t, err := k.claim(view, c)
	if errors.Is(err, claimer.ErrDenied) { // on a busy machine it may have been granted and lost
		t, err = k.claim(view, c)
	}
	if errors.Is(err, claimer.ErrDenied) {
		k.Errorf("a name that only refused requests asked for is denied: %v: they must leave nothing behind", err)
		return
	}
	if err != nil {
		k.late("the claim of a free name got no clear answer: %v", err)
	}
	k.free(t)
}
