package claimertest

var tokens = []Check{
	{Name: "tokens rise at every change of holder, also when the same one comes back after a release", body: tokensRise},
	{Name: "tokens rise when a claim has run out", body: tokensRiseAfterExpiry},
}

func tokensRise(k *kit) {
	name := k.name("tokens")
	one, two := k.open(), k.open()
	a, b := k.candidate(name, "box-1"), k.candidate(name, "box-2")
	var last term
	for i, who := range []string{"box-1", "box-2", "box-1", "box-1", "box-1", "box-2"} {
		view, c := one, a
		if who == "box-2" {
			view, c = two, b
		}
		t := k.acquire(view, c)
		if t.Token <= last.Token {
			k.Fatalf("claim %d, by %s, has token %d after %s's %d: it must be greater at every change of holder", i+1, t.Holder, t.Token, last.Holder, last.Token)
		}
		last = t
		k.free(t)
	}
}

func tokensRiseAfterExpiry(k *kit) {
	name := k.name("expiring")
	view := k.open()
	c := k.candidate(name, "box-1")
	first := k.acquire(view, c)
	second := k.acquire(k.open(), k.candidate(name, "box-2")) // in the end: box-1 is silent
	if second.Token <= first.Token {
		k.Fatalf("after token %d ran out, the next holder got %d: it must be greater", first.Token, second.Token)
	}
	third := k.acquire(view, c) // and so is box-2
	if third.Token <= second.Token {
		k.Fatalf("after token %d ran out, an earlier holder that came back got %d: it must be greater", second.Token, third.Token)
	}
	k.free(third)
}
