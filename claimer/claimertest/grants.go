package claimertest

import (
	"context"
	"maps"

	"github.com/muster-go/muster/claimer"
)

var grants = []Check{
	{Name: "a free name is granted, with a token above 0, to the candidate that asked", body: freeName},
	{Name: "a claim lasts at least d from the moment of the call, also when its holder falls silent, and not for ever", body: lastsD},
	{Name: "asking again extends the claim and keeps its token", body: extends},
	{Name: "attributes travel with the claim as they were when it was asked for", body: attributes},
	{Name: "a d that is too long is either invalid or granted, and harms nobody", body: tooLong},
}

func freeName(k *kit) {
	c := k.candidate(k.name("free"), "box-1")
	t := k.acquire(k.open(), c)
	if t.Token == 0 {
		k.Errorf("the token is 0: tokens begin above 0, so that a fence of 0 means that nobody led yet")
	}
	if t.Name != c.Name || t.Holder != c.Holder || !maps.Equal(t.Attributes, c.Attributes) {
		k.Errorf("the claim is %+v: want it for the candidate that asked, %+v", t.Candidate, c)
	}
	k.free(t)
}

func lastsD(k *kit) {
	name := k.name("lasting")
	holder, rival := k.open(), k.open()
	for range 2 {
		t := k.acquire(holder, k.candidate(name, "silent"))
		next, ok := k.poll(rival, k.candidate(name, "rival"), k.ever)
		if !ok {
			k.late("%v after its holder fell silent %q is still not free: a claim that nobody extends ends by itself", k.ever, name)
		}
		if next.at.Before(t.until) {
			k.Fatalf("a rival was granted %q only %v after the holder's Claim was called, for %v", name, next.at.Sub(t.since), k.d)
		}
		k.free(next)
		holder, rival = rival, holder
	}
}

func extends(k *kit) {
	name := k.name("extended")
	holder, rival := k.open(), k.open()
	c := k.candidate(name, "box-1")
	first := k.acquire(holder, c)
	last := first
	for range 3 {
		k.sleep(k.d / 4)
		t, err := k.claim(holder, c)
		switch sure := t.at.Before(last.until); {
		case err == nil && t.Token == first.Token:
			last = t
		case !sure:
			k.late("the answer to an extension came %v after the claim before it was asked for, for %v: %v", t.at.Sub(last.since), k.d, err)
		case err == nil:
			k.Fatalf("asking again while the claim was in force changed its token from %d to %d", first.Token, t.Token)
		default:
			k.Fatalf("asking again while the claim was in force: %v", err)
		}
	}
	next, ok := k.poll(rival, k.candidate(name, "rival"), k.ever)
	if ok && next.at.Before(last.until) {
		k.Fatalf("a rival was granted %q %v after the holder's latest Claim was called, for %v: asking again must extend the claim", name, next.at.Sub(last.since), k.d)
	}
	if !ok {
		k.late("%v after its holder fell silent %q is still not free", k.ever, name)
	}
}

func attributes(k *kit) {
	name := k.name("attributes")
	c := k.candidate(name, "box-1")
	c.Attributes = map[string]string{
		"address": "[::1]:80", "empty": "", "größe": "日本語", "key=with;signs\n": "value \"quoted\"\n\twith = and ; and \\",
	}
	want := maps.Clone(c.Attributes)
	t := k.acquire(k.open(), c)
	if !maps.Equal(t.Attributes, want) {
		k.Errorf("the claim has the attributes %q: want %q", t.Attributes, want)
	}
	delete(c.Attributes, "empty") // the map is the caller's
	c.Attributes["address"] = "changed later"
	t.Candidate.Attributes = want
	kept := k.keep(t)
	if denied := k.denial(kept, k.open(), k.candidate(name, "rival")); denied != nil && !maps.Equal(denied.Attributes, want) {
		k.Errorf("a denied rival is told the attributes %q: want %q, as they were when the claim was asked for", denied.Attributes, want)
	}
	kept.free()
}

func tooLong(k *kit) {
	name := k.name("long")
	view := k.open()
	long := 1000 * k.d
	r := call(k, "Claim for a long time", func(ctx context.Context) (claimer.Claim, error) {
		return view.Claim(ctx, k.candidate(name, "box-1"), long)
	})
	switch {
	case r.err == nil:
		k.free(term{Claim: r.value, view: view, until: r.before.Add(long)})
	case isInvalid(r.err):
	default:
		k.Errorf("Claim for %v: %v: want it granted, or an error that is ErrInvalid", long, r.err)
	}
	k.firstAnswer(k.open(), k.candidate(name, "box-2"))
}
