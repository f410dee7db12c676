package claimertest

import (
	"fmt"

	"github.com/muster-go/muster/claimer"
)

var outages = []Check{
	{Name: "a holder that is cut off hears that its claim is lost before another is granted", body: func(k *kit) { losesFirst(k, k.outage("Cut")) }},
	{Name: "a holder that is frozen hears that its claim is lost before another is granted", body: func(k *kit) { losesFirst(k, k.outage("Freeze")) }},
	{Name: "a process gets no new claim of a name while a hold on a lost one is out", body: noClaimWhileHeld},
	{Name: "a holder that is cut off is never granted what another holds, and has its turn when the cut is healed", body: func(k *kit) { oneHolder(k, k.outage("Cut")) }},
	{Name: "a holder that is frozen is never granted what another holds, and has its turn when it thaws", body: func(k *kit) { oneHolder(k, k.outage("Freeze")) }},
	{Name: "after an outage for everybody that outlasts every claim there is one holder again, and all have their turn", body: func(k *kit) { recovers(k, k.outage("Cut")) }},
	{Name: "after everybody was frozen for longer than any claim there is one holder again, and all have their turn", body: func(k *kit) { recovers(k, k.outage("Freeze")) }},
}

// outage gives the lever, or skips the check if there is none.
func (k *kit) outage(lever string) (pull func(claimer.Claimer)) {
	k.Helper()
	if lever == "Cut" {
		k.needs(lever, k.h.Cut != nil)
		return k.cut
	}
	k.needs(lever, k.h.Freeze != nil)
	return k.freeze
}

func losesFirst(k *kit, pull func(claimer.Claimer)) {
	h := k.hold(k.keeper(k.fragile()), k.candidate(k.name("lost"), "box-1"))
	rival, c := k.open(), k.candidate(h.Name, "rival")
	if _, err := k.claim(rival, c); err == nil {
		k.late("the claim ended before it could be cut off")
	}
	from := k.now()
	pull(h.keeper)
	got := k.acquire(rival, c)
	inTime := h.lost()
	if deadline := h.Deadline(); deadline.After(got.at) {
		k.Errorf("a rival was granted %q %v before the Deadline of the holder that was cut off", h.Name, deadline.Sub(got.at))
	}
	if !k.comes(h.Lost(), k.ever) {
		k.late("%v after a rival was granted %q the holder's Lost is still open", k.ever, h.Name)
	}
	if !inTime {
		k.late("Lost was not closed yet when a rival was granted %q", h.Name)
	}
	k.within(got.at.Sub(from), k.worst, "from the cut to the next claim")
	deadline := h.Deadline()
	k.heal(h.keeper)
	k.sleep(k.d)
	if moved := h.Deadline().Sub(deadline); moved != 0 {
		k.Errorf("Deadline moved by %v after the claim was lost: a late renewal must not revive it", moved)
	}
	if !h.lost() {
		k.Errorf("Lost is open again")
	}
	h.drop()
	k.mustNotBeHeld(h.keeper, h.Claim, "a claim that was lost")
}

func noClaimWhileHeld(k *kit) {
	pull := k.outage("Cut")
	h := k.hold(k.keeper(k.fragile()), k.candidate(k.name("busy"), "box-1"))
	pull(h.keeper)
	if !k.comes(h.Lost(), k.ever) {
		k.late("%v after the holder was cut off its Lost is still open", k.ever)
	}
	k.heal(h.keeper)
	k.free(k.acquire(k.open(), k.candidate(h.Name, "box-2"))) // others may
	fresh := k.candidate(h.Name, "box-1")
	if t, ok := k.poll(h.keeper, fresh, 2*k.d+k.worst); ok {
		k.Fatalf("the process was granted %q again (token %d) while guarded work of its lost claim (token %d) still runs", h.Name, t.Token, h.Token)
	}
	if t, ok := k.poll(h.keeper, h.Candidate, k.d); ok {
		k.Fatalf("the candidate was granted %q again (token %d) while guarded work of its lost claim (token %d) still runs", h.Name, t.Token, h.Token)
	}
	h.drop()
	t := k.acquire(h.keeper, fresh)
	if t.Token <= h.Token {
		k.Errorf("the new claim's token is %d after %d: it must be greater", t.Token, h.Token)
	}
	k.free(t)
}

func oneHolder(k *kit, pull func(claimer.Claimer)) {
	name := k.name("one")
	led := k.ledger()
	view, other := k.fragile(), k.open()
	// The first keeps the name for ever, but for the outage; then both have turns.
	first := campaign{view: view, c: led.stand(name, "first"), wins: 2, hold: 2*k.d + k.worst}
	second := campaign{view: other, c: led.stand(name, "second"), wins: 2, hold: k.d}
	firstDone := k.spawn(func() { led.run(first) })
	if !led.wait(first.c, 1) {
		k.late("a free name was not granted within %v", k.ever)
	}
	secondDone := k.spawn(func() { led.run(second) })
	k.sleep(k.d / 4)
	pull(view)
	if !led.wait(second.c, 1) {
		k.late("%v after the holder's outage began the next candidate has not been granted the name", k.ever)
	}
	k.sleep(k.d / 2)
	k.heal(view)
	led.finish([]<-chan struct{}{secondDone, firstDone}, []campaign{second, first}, 3*k.ever)
}

func recovers(k *kit, pull func(claimer.Claimer)) {
	name := k.name("recovery")
	led := k.ledger()
	var campaigns []campaign
	var views []claimer.Claimer
	for i := range 3 {
		view := k.fragile()
		views = append(views, view)
		campaigns = append(campaigns, campaign{view: view, c: led.stand(name, fmt.Sprintf("box-%d", i)), wins: 2, hold: k.d / 2})
	}
	for i := range campaigns {
		campaigns[i].wins = 1 << 30
	}
	led.start(campaigns)
	for _, g := range campaigns {
		if !led.wait(g.c, 1) {
			k.late("%s had no turn within %v before the outage", g.c.Holder, k.ever)
		}
	}
	for _, view := range views {
		pull(view)
	}
	k.sleep(k.worst + 2*k.d)
	before := map[string]int{}
	for _, g := range campaigns {
		before[g.c.Holder] = led.count(g.c)
	}
	for _, view := range views {
		k.heal(view)
	}
	for _, g := range campaigns {
		if !led.wait(g.c, before[g.c.Holder]+1) {
			k.late("%v after an outage of %v ended %s has had no turn: an election recovers from an outage of any length", k.ever, k.worst+2*k.d, g.c.Holder)
		}
	}
}

// count gives how many turns the candidate has had.
func (l *ledger) count(c claimer.Candidate) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wins[c.Holder]
}

// wait waits, at most for ever as the kit knows it, until the candidate has had so many turns.
func (l *ledger) wait(c claimer.Candidate, wins int) bool {
	k := l.k
	for until := k.now().Add(k.ever + 3*k.d); l.count(c) < wins; k.sleep(k.step) {
		if k.now().After(until) {
			return false
		}
	}
	return true
}
