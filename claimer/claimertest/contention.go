package claimertest

import (
	"fmt"
	"time"

	"github.com/muster-go/muster/claimer"
)

var contention = []Check{
	{Name: "one release lets one waiter in, and every waiter has its turn, never two at once", body: everyTurn},
	{Name: "16 candidates in 4 processes contend for one name, never two at once, and each wins", body: crowd},
}

func everyTurn(k *kit) {
	const waiters = most - 1
	name := k.name("turns")
	led := k.ledger()
	first := k.acquire(k.open(), led.stand(name, "first"))
	led.granted(first)
	kept := k.keep(first)
	var campaigns []campaign
	for i := range waiters {
		g := campaign{view: k.open(), c: led.stand(name, fmt.Sprintf("waiter-%d", i)), wins: 1, hold: k.step}
		k.denial(kept, g.view, g.c)
		campaigns = append(campaigns, g)
	}
	all := led.start(campaigns)
	k.sleep(k.d / 4)
	led.ended(first.Claim)
	kept.free()
	led.finish(all, campaigns, k.ever+waiters*k.d)
}

func crowd(k *kit) {
	const views, candidates, wins = 4, 16, 2
	name := k.name("crowd")
	led := k.ledger()
	var open []claimer.Claimer
	for range views {
		open = append(open, k.open())
	}
	var campaigns []campaign
	for i := range candidates {
		g := campaign{view: open[i%views], c: led.stand(name, fmt.Sprintf("box-%d", i)), wins: wins}
		switch i {
		case 3:
			g.hold = k.d * 5 / 4 // has to extend
		case 7:
			g.quiet = true // falls silent in the end
		}
		campaigns = append(campaigns, g)
	}
	all := led.start(campaigns)
	led.finish(all, campaigns, k.ever+candidates*wins*k.d)
}

// stand gives a new candidate.
func (l *ledger) stand(name, who string) claimer.Candidate { return l.k.candidate(name, who) }

// start starts all campaigns.
func (l *ledger) start(campaigns []campaign) (all []<-chan struct{}) {
	for _, g := range campaigns {
		all = append(all, l.k.spawn(func() { l.run(g) }))
	}
	return all
}

// finish waits until each campaign has had its wins.
func (l *ledger) finish(all []<-chan struct{}, campaigns []campaign, limit time.Duration) {
	k := l.k
	k.Helper()
	until := k.now().Add(limit)
	for i, g := range campaigns {
		if !k.comes(all[i], until.Sub(k.now())) {
			l.mu.Lock()
			defer l.mu.Unlock()
			k.late("%s had %d of %d turns within %v (all turns so far: %v): every candidate that waits is granted the name in the end", g.c.Holder, l.wins[g.c.Holder], g.wins, limit, l.wins)
		}
	}
}
