package scenario_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
)

// duels are held in parallel, half of them with each TTL; each has tries(2) rounds: 40 by default.
const duels = 20

func TestWhileEtcdIsABlackHoleAtRandomMomentsNoTwoContextsOverlap(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	for i := range duels {
		ttl := time.Duration(2+i%2) * time.Second
		t.Run(fmt.Sprintf("ttl %v, duel %d", ttl, i/2+1), func(t *testing.T) {
			t.Parallel()
			random := randomness(t, uint64(i))
			d := newDuel(t, server, "holes/"+ttl.String(), fmt.Sprintf("duel-%d", i), ttl)
			for range tries(2) {
				struck := d.strike(random, ttl, (*servertest.Proxy).BlackHole)
				next := d.led.leads(struck.at, not(struck.who))
				d.proxies[struck.who].Heal()
				t.Logf("%s was cut off and stopped after %v; %s led after %v", struck.who,
					d.led.end(struck.who, struck.token).Sub(struck.at), next.who, next.start.Sub(struck.at))
			}
			d.led.verify(tries(2) + 1)
		})
	}
}

// Requests that arrive, and whose answers don't: renewals keep the lease alive of a holder that
// can't know it.
func TestWhileEtcdsAnswersAreLostNoTwoContextsOverlap(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	server := etcdtest.Start(t, etcdtest.Settings{})
	for i := range 4 {
		t.Run(fmt.Sprintf("duel %d", i+1), func(t *testing.T) {
			t.Parallel()
			random := randomness(t, uint64(i))
			d := newDuel(t, server, "answers", fmt.Sprintf("duel-%d", i), ttl)
			for range tries(2) {
				struck := d.strike(random, ttl, (*servertest.Proxy).HoldReplies)
				d.led.over(struck.who, struck.token)
				d.proxies[struck.who].Heal()
				d.led.leads(struck.at, anybody)
			}
			d.led.verify(tries(2) + 1)
		})
	}
}

// struck says whom a fault befell, and when.
type struck struct {
	who   string
	token uint64
	at    time.Time
}

// strike waits for a leader, and for a random part of a TTL, and lets something befall the proxy of
// whoever leads then.
func (d *duel) strike(random *rand.Rand, ttl time.Duration, fault func(*servertest.Proxy)) struck {
	d.led.t.Helper()
	d.led.leads(time.Time{}, anybody)
	<-time.After(time.Duration(random.Int64N(int64(ttl))))
	leader := d.led.leads(time.Time{}, anybody)
	at := time.Now()
	fault(d.proxies[leader.who])
	return struck{who: leader.who, token: leader.token, at: at}
}
