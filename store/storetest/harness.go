package storetest

import (
	"testing"
	"time"

	"github.com/muster-go/muster/store"
)

// Harness is how the kit gets at one store. A lever that is nil can't be pulled; the subtests that
// need it skip and say so.
type Harness struct {
	// Open gives another client of the same store. The kit closes it.
	Open func(t testing.TB) store.Driver

	// Clock is the one on which the store's sessions end.
	Clock store.Clock
	// Advance moves a fake Clock; the subtests then run one after another. It is nil for a real
	// clock, on which the kit waits, and runs subtests in parallel.
	Advance func(d time.Duration)
	// TTL is the shortest that the store is good for in a test.
	TTL time.Duration
	// Slack is what upper bounds allow for a busy machine on top of store.Limits. Default: 3 s on
	// a real clock.
	Slack time.Duration
	// Patience is how long, in real time, the kit waits for what must come. Default: 30 s.
	Patience time.Duration

	// Expire ends a session from outside, as an administrator can.
	Expire func(t testing.TB, id store.SessionID)
	// Cut breaks a client's connection so that both ends can know, and keeps it broken until Heal.
	Cut func(t testing.TB, d store.Driver)
	// Freeze makes a client hear nothing until Heal, without its knowing.
	Freeze func(t testing.TB, d store.Driver)
	// Heal ends what Cut or Freeze began. It goes with both.
	Heal func(t testing.TB, d store.Driver)
	// Restart stops the store and starts it again with its data kept.
	Restart func(t testing.TB)
	// Wipe makes the store empty, as if its disk had been lost.
	Wipe func(t testing.TB)

	// Requests counts the requests that a client has made to the store so far, its polls included.
	Requests func(d store.Driver) int
	// Poll is the interval at which a client polls; zero: it doesn't.
	Poll time.Duration
}

// Run runs every check of the kit as a subtest. Each works below a prefix of keys of its own, with
// a random name, and leaves its records there; those that disturb the whole store run alone.
func Run(t *testing.T, h Harness) {
	t.Helper()
	h = h.withDefaults(t)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if !c.alone && h.Advance == nil {
				t.Parallel()
			}
			c.run(t, h)
		})
	}
}

func (h Harness) withDefaults(t testing.TB) Harness {
	if h.Open == nil || h.Clock == nil || h.TTL <= 0 {
		t.Fatalf("storetest: the Harness must have Open, Clock and TTL")
	}
	if (h.Cut != nil || h.Freeze != nil) && h.Heal == nil {
		t.Fatalf("storetest: a Harness that can Cut or Freeze must be able to Heal")
	}
	if h.Slack == 0 && h.Advance == nil {
		h.Slack = 3 * time.Second
	}
	if h.Patience == 0 {
		h.Patience = 30 * time.Second
	}
	return h
}
