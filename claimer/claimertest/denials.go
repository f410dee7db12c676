package claimertest

import (
	"errors"
	"maps"

	"github.com/muster-go/muster/claimer"
)

var denials = []Check{
	{Name: "a second candidate is denied, with a DeniedError that carries the holder's claim", body: denied},
	{Name: "candidates that differ in the incarnation alone are different candidates", body: incarnations},
	{Name: "the very same candidate from another process is not taken for the holder", body: impostor},
}

// denial gives the holder's claim as a rival is told it: nil if the Claimer can't tell.
func (k *kit) denial(p *keeping, view claimer.Claimer, c claimer.Candidate) *claimer.Claim {
	k.Helper()
	for range 5 {
		t, err := k.claim(view, c)
		sure := p.inForce(t.at)
		denied, ok := errors.AsType[*claimer.DeniedError](err)
		switch {
		case err == nil && sure:
			k.Fatalf("%s was granted %q while %s held it", c.Holder, c.Name, p.get().Holder)
		case ok && sure && denied.Name != c.Name:
			k.Fatalf("the DeniedError is about the name %q: want %q", denied.Name, c.Name)
		case ok && sure && denied.Holder != nil:
			return denied.Holder
		case ok && sure && k.h.Anonymous:
			return nil
		}
		k.sleep(k.d / 10)
	}
	k.late("a rival was never told the claim of a present holder: want a *claimer.DeniedError with its Holder (or set Harness.Anonymous)")
	return nil
}

func denied(k *kit) {
	name := k.name("denied")
	c := k.candidate(name, "box-1")
	kept := k.keep(k.acquire(k.open(), c))
	token := kept.get().Token
	rival := k.open()
	for range 3 {
		held := k.denial(kept, rival, k.candidate(name, "rival"))
		if held == nil {
			break
		}
		if held.Name != name || held.Holder != c.Holder {
			k.Errorf("the rival is told that %q holds %q: want %q and %q", held.Holder, held.Name, c.Holder, name)
		}
		if !maps.Equal(held.Attributes, c.Attributes) {
			k.Errorf("the rival is told the attributes %q: want the holder's, %q", held.Attributes, c.Attributes)
		}
		if held.Token != token && held.Token != 0 {
			k.Errorf("the rival is told token %d: want the holder's, %d, or 0 if it isn't known", held.Token, token)
		}
	}
	kept.mustDeny(rival, k.candidate(name, "rival"), "a held name is denied")
	kept.free()
}

func incarnations(k *kit) {
	name := k.name("incarnations")
	view := k.open()
	first := k.candidate(name, "box-1")
	kept := k.keep(k.acquire(view, first))
	kept.mustDeny(k.open(), k.candidate(name, "box-1"), "another incarnation of the holder, in another process, is a rival")
	kept.mustDeny(view, k.candidate(name, "box-1"), "another incarnation of the holder, in the same process, is a rival")
	kept.free()
}

func impostor(k *kit) {
	name := k.name("impostor")
	c := k.candidate(name, "box-1")
	kept := k.keep(k.acquire(k.open(), c))
	kept.mustDeny(k.open(), c, "a process that gives the holder's Holder is a rival (a copied machine has the same name and state)")
	kept.free()
}
