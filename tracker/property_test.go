package tracker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"pgregory.net/rapid"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

var errNetwork = errors.New("network")

// network stands before a Memory and delays and loses requests and replies, and ends waits, as it
// was told to. It ignores contexts.
type network struct {
	claimer.Claimer
	mu     sync.Mutex
	faults []fault
}

type fault struct {
	request, reply time.Duration // delays
	drop, lose     bool          // the request; the reply, after the effect
}

// next takes the fault of the next call; none are left: a good network.
func (n *network) next() (f fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.faults) > 0 {
		f, n.faults = n.faults[0], n.faults[1:]
	}
	return f
}

func (f fault) pass(call func() error) error {
	time.Sleep(f.request)
	if f.drop {
		return errNetwork
	}
	err := call()
	time.Sleep(f.reply)
	if f.lose {
		return errNetwork
	}
	return err
}

func (n *network) Claim(_ context.Context, c claimer.Candidate, d time.Duration) (claim claimer.Claim, err error) {
	// d counts from the moment of the call, so a late request is granted for longer than needed.
	err = n.next().pass(func() error {
		claim, err = n.Claimer.Claim(context.Background(), c, d)
		return err
	})
	return claim, err
}

func (n *network) Release(_ context.Context, c claimer.Claim) error {
	return n.next().pass(func() error { return n.Claimer.Release(context.Background(), c) })
}

func (n *network) WaitReleased(ctx context.Context, c claimer.Candidate) error {
	f := n.next()
	if f.drop || f.lose {
		time.Sleep(f.request)
		return errNetwork
	}
	return n.Claimer.WaitReleased(ctx, c)
}

// Whatever the network does: no two guarantees overlap, tokens rise with the leaders, nobody leads
// with a claim that the claimer gave to another, and once the network is good somebody leads.
func TestPropertyNoTwoTrackersGuaranteeLeadershipAtOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		delay := rapid.OneOf(
			rapid.Just(time.Duration(0)),
			rapid.Map(rapid.Int64Range(0, int64(duration/2)), func(d int64) time.Duration { return time.Duration(d) }),
			rapid.Map(rapid.Int64Range(0, int64(4*duration)), func(d int64) time.Duration { return time.Duration(d) }),
		)
		faults := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) fault {
			kind := rapid.IntRange(0, 5).Draw(r, "kind")
			return fault{request: delay.Draw(r, "request"), reply: delay.Draw(r, "reply"), drop: kind == 1, lose: kind == 2}
		}), 0, 30)
		scripts := [][]fault{faults.Draw(r, "a"), faults.Draw(r, "b"), faults.Draw(r, "c")}
		resigns := rapid.SliceOfN(rapid.IntRange(0, 600), 0, 4).Draw(r, "resigns")
		var failure string
		synctest.Test(t, func(t *testing.T) {
			failure = compete(t, scripts, resigns)
		})
		if failure != "" {
			r.Fatal(failure)
		}
	})
}

// compete runs a tracker for each script until all faults are over and one leads, looking each
// tenth of a Duration; in the given steps the leader resigns. It says what went wrong.
func compete(t *testing.T, scripts [][]fault, resigns []int) (failure string) {
	memory := trackertest.NewMemory(clock.WallClock)
	var trackers []*tracker.Worker
	for _, faults := range scripts {
		w, err := tracker.New(configFor(&network{Claimer: memory, faults: faults}))
		if err != nil {
			t.Fatal(err)
		}
		trackers = append(trackers, w)
	}
	defer func() {
		for _, w := range trackers {
			w.Kill()
		}
		for _, w := range trackers {
			if err := w.Wait(); err != nil && failure == "" {
				failure = "Wait: " + err.Error()
			}
		}
		time.Sleep(100 * duration) // the calls on their way come back
	}()
	var token uint64
	for step := range 4000 {
		leaders := 0
		for _, w := range trackers {
			claim, _, ok := w.Leadership()
			if !ok {
				continue
			}
			leaders++
			if claim.Token < token {
				return "a token fell"
			}
			token = claim.Token
			if held, ok := memory.Holder("web"); !ok || held.Holder != w.Candidate().Holder {
				return "a tracker leads without the claim"
			}
		}
		if leaders > 1 {
			return "two lead at once"
		}
		for _, at := range resigns {
			if at == step {
				for _, w := range trackers {
					go func() { _, _ = w.Resign(context.Background()) }()
				}
			}
		}
		if leaders == 1 && step > 3000 {
			return ""
		}
		time.Sleep(duration / 10)
	}
	return "nobody leads, long after the last fault"
}
