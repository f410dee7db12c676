package etcdutil_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

func TestR1RenewalsThatHangForEverDontKeepALossFromBeingTold(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"hang":       {Kind: storetest.Hang},
		"late reply": {Kind: storetest.LateReply},
		"fail":       {Kind: storetest.Fail},
		"no reply":   {Kind: storetest.DropReply},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w world) {
				heard := newEvents()
				e, d := w.stand("me", heard)
				assert.True(t, heard.next(t).IsLeader)
				time.Sleep(time.Minute)
				synctest.Wait()
				d.Inject(fault)
				began := time.Now()
				if fault.Kind == storetest.DropReply {
					// Then etcd renews, and nobody hears of it.
					time.Sleep(guarantee)
				} else {
					for e.IsLeader() {
						time.Sleep(7 * time.Millisecond)
					}
				}
				synctest.Wait()
				assert.LessOrEqual(t, time.Since(began), guarantee+7*time.Millisecond)
				assert.False(t, e.IsLeader())
				assert.Equal(t, []etcdutil.ElectionEvent{lowered}, heard.all())
				time.Sleep(10 * time.Minute)
				assert.False(t, e.IsLeader())
				assert.Empty(t, heard.all())
				d.Heal()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				assert.True(t, e.IsLeader(), "after an outage of any length")
				again := heard.all()
				require.Len(t, again, 1)
				assert.True(t, again[0].IsLeader)
				assert.Equal(t, []string{"me"}, w.values(), "nothing of the discarded session lives on")
				e.Close()
				assert.Empty(t, w.values())
			})
		})
	}
}

func TestR1AnswersThatComeAfterTheDeadlineReviveNothing(t *testing.T) {
	in(t, func(w world) {
		heard := newEvents()
		e, d := w.stand("me", heard)
		d.Inject(storetest.Fault{Kind: storetest.LateReply, Ops: []storetest.Op{storetest.Renew, storetest.Grant}})
		time.Sleep(guarantee)
		synctest.Wait()
		require.False(t, e.IsLeader())
		d.Heal(storetest.Renew)
		synctest.Wait()
		assert.False(t, e.IsLeader())
		d.Heal()
		e.Close()
	})
}

func TestR2AfterASuspendIsLeaderSaysNoThoughNoTimerHasFired(t *testing.T) {
	in(t, func(w world) {
		clk := &shifted{Clock: bootclock.Clock}
		c := conf("me", nil)
		c.Clock = clk
		e, err := etcdutil.NewElectionOn(context.Background(), w.driver(), c)
		require.NoError(t, err)
		require.True(t, e.IsLeader())
		clk.by.Store(int64(time.Hour))
		assert.False(t, e.IsLeader())
		e.Close()
	})
}

func TestAnElectionRecoversFromAnOutageOfAnyLength(t *testing.T) {
	in(t, func(w world) {
		one, d1 := w.stand("one", nil)
		two, d2 := w.stand("two", nil)
		for length := 100 * time.Millisecond; length < 4*ttl; length += 970 * time.Millisecond {
			for _, kind := range []storetest.FaultKind{storetest.Hang, storetest.LateReply, storetest.Fail, storetest.DropReply, storetest.DropRequest} {
				for _, d := range []*storetest.Faults{d1, d2} {
					d.Inject(storetest.Fault{Kind: kind})
				}
				time.Sleep(length)
				d1.Heal()
				d2.Heal()
				time.Sleep(3 * ttl)
				synctest.Wait()
				require.NotEqual(t, one.IsLeader(), two.IsLeader(), "one leads after %v of fault %d", length, kind)
				require.Len(t, w.values(), 2)
			}
		}
		one.Close()
		two.Close()
		assert.Empty(t, w.values())
	})
}

func TestTwoNeverLeadAtOnceWhateverFails(t *testing.T) {
	for seed := range uint64(6) {
		in(t, func(w world) {
			random := rand.New(rand.NewPCG(seed, 1))
			var all []*etcdutil.Election
			var drivers []*storetest.Faults
			for i := range 3 {
				e, d := w.stand(fmt.Sprint(i), nil)
				all, drivers = append(all, e), append(drivers, d)
			}
			kinds := []storetest.FaultKind{storetest.Hang, storetest.LateReply, storetest.Fail, storetest.DropReply, storetest.DropRequest}
			ops := [][]storetest.Op{nil, {storetest.Renew}, {storetest.Apply}, {storetest.List}, {storetest.Watch}, {storetest.Grant, storetest.Revoke}}
			check := func() {
				synctest.Wait()
				leading := 0
				for _, e := range all {
					if e.IsLeader() {
						leading++
					}
				}
				require.LessOrEqual(t, leading, 1, "seed %d", seed)
			}
			for range 200 {
				d := drivers[random.IntN(len(drivers))]
				switch random.IntN(6) {
				case 0, 1:
					d.Inject(storetest.Fault{Kind: kinds[random.IntN(len(kinds))], Ops: ops[random.IntN(len(ops))]})
				case 2, 3:
					d.Heal()
				case 4:
					_, _ = all[random.IntN(len(all))].Concede()
				case 5:
					w.service.Restart()
				}
				for range random.IntN(20) {
					check()
					time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
				}
			}
			for _, d := range drivers {
				d.Heal()
			}
			time.Sleep(4 * ttl)
			check()
			require.Len(t, w.values(), 3)
			require.True(t, all[0].IsLeader() || all[1].IsLeader() || all[2].IsLeader(), "seed %d", seed)
			for _, e := range all {
				e.Close()
			}
			require.Empty(t, w.values())
		})
	}
}

func TestR5AfterARestoreWhoSawTheStoreBeforeWaits(t *testing.T) {
	for name, damage := range map[string]func(w world){
		"restored": func(w world) { w.service.Restore(w.earlier) },
		"wiped":    func(w world) { w.service.Wipe() },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w world) {
				w.earlier = w.service.Snapshot()
				heard := newEvents()
				one, _ := w.stand("one", heard)
				two, _ := w.stand("two", nil)
				heard.all()
				damage(w)
				synctest.Wait()
				assert.False(t, one.IsLeader(), "at once")
				require.Equal(t, lowered, heard.next(t))
				began := time.Now()
				for !one.IsLeader() && !two.IsLeader() {
					time.Sleep(10 * time.Millisecond)
					require.Less(t, time.Since(began), 4*ttl)
				}
				assert.Greater(t, time.Since(began), ttl*3/2, "a holder that hasn't heard may lead until then")
				one.Close()
				two.Close()
			})
		})
	}
}

func TestAnUnansweredCreateLeavesNoGhost(t *testing.T) {
	for name, kind := range map[string]storetest.FaultKind{"done all the same": storetest.DropReply, "done late": storetest.LateReply} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w world) {
				d := w.driver()
				d.Inject(storetest.Fault{Kind: kind, Ops: []storetest.Op{storetest.Apply}, Calls: 1})
				heard := newEvents()
				c := conf("me", heard)
				c.TTL = 30
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				e, err := etcdutil.NewElectionOn(ctx, d, c)
				require.NoError(t, err)
				assert.True(t, e.IsLeader())
				time.Sleep(time.Minute)
				d.Heal() // now the late one is done, if it can be
				synctest.Wait()
				assert.Equal(t, []string{"me"}, w.values())
				got := heard.all()
				require.Len(t, got, 1)
				assert.True(t, got[0].IsLeader)
				e.Close()
				assert.Empty(t, w.values())
			})
		})
	}
}

func TestAConstructorThatGivesUpLeavesNoCandidateThatWinsLater(t *testing.T) {
	for _, op := range []storetest.Op{storetest.Grant, storetest.Apply, storetest.List, storetest.Watch, storetest.Revoke} {
		t.Run(string(op), func(t *testing.T) {
			in(t, func(w world) {
				other, _ := w.stand("other", nil)
				other.Close()
				d := w.driver()
				kind := storetest.LateReply
				if op == storetest.Revoke {
					d.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.List}})
				}
				d.Inject(storetest.Fault{Kind: kind, Ops: []storetest.Op{op}})
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				heard := newEvents()
				c := conf("me", heard)
				c.TTL = 30
				began := time.Now()
				_, err := etcdutil.NewElectionOn(ctx, d, c)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.LessOrEqual(t, time.Since(began), 10*time.Second)
				heard.all()
				d.Heal()
				time.Sleep(30 * time.Second)
				synctest.Wait()
				assert.Empty(t, w.values())
				assert.Empty(t, heard.all())
			})
		})
	}
}

func TestAClosedElectionNeverStandsAgainWheneverItIsClosed(t *testing.T) {
	in(t, func(w world) {
		for after := time.Duration(0); after < 3*ttl; after += 197 * time.Millisecond {
			d := w.driver()
			d.Inject(storetest.Fault{Kind: storetest.Delay, Delay: 60 * time.Millisecond})
			heard := newEvents()
			c := conf("me", heard)
			c.TTL = 2
			e := etcdutil.NewElectionAsyncOn(d, c)
			if after > ttl {
				time.AfterFunc(ttl, func() { d.Inject(storetest.Fault{Kind: storetest.Fail, Ops: []storetest.Op{storetest.Renew}}) })
			}
			time.Sleep(after)
			e.Close()
			require.False(t, e.IsLeader())
			got := heard.all()
			require.Equal(t, []etcdutil.ElectionEvent{lowered, done}, got[len(got)-2:])
			time.Sleep(2 * ttl)
			require.Empty(t, w.values(), "closed after %v", after)
			require.Empty(t, heard.all())
		}
	})
}

func TestWhatCanNeverSucceedIsToldOnceAndTriedOn(t *testing.T) {
	for name, ops := range map[string][]storetest.Op{
		"nothing is allowed":  nil,
		"no lease is granted": {storetest.Grant},
		"no key is created":   {storetest.Apply},
		"no watch is allowed": {storetest.Watch},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w world) {
				refuse := storetest.Fault{Kind: storetest.Fail, Ops: ops, Err: fmt.Errorf("the user may not: %w", store.ErrUnauthorized)}
				d := w.driver()
				d.Inject(refuse)
				_, err := etcdutil.NewElectionOn(context.Background(), d, conf("me", nil))
				require.ErrorIs(t, err, store.ErrUnauthorized)
				assert.Contains(t, err.Error(), `election "scout"`)
				assert.Empty(t, w.values())

				d = w.driver()
				d.Inject(refuse)
				heard := newEvents()
				e := etcdutil.NewElectionAsyncOn(d, conf("me", heard))
				time.Sleep(time.Minute)
				synctest.Wait()
				told := heard.all()
				require.Len(t, told, 1)
				assert.ErrorIs(t, told[0].Err, store.ErrUnauthorized)
				calls := d.Calls()
				time.Sleep(time.Minute)
				assert.Less(t, d.Calls()-calls, 600, "no hot loop")
				d.Heal()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				assert.True(t, e.IsLeader())
				heard.all()
				d.Inject(refuse)
				w.service.Restart()
				w.service.Expire(w.session(0))
				time.Sleep(time.Minute)
				synctest.Wait()
				told = heard.all()
				require.Len(t, told, 2, "trouble that comes again is told again")
				assert.Equal(t, lowered, told[0])
				assert.ErrorIs(t, told[1].Err, store.ErrUnauthorized)
				d.Heal()
				e.Close()
				assert.Empty(t, w.values())
			})
		})
	}
}

func TestWhatIsLeftOfItsOwnLastKeyIsNoLeader(t *testing.T) {
	in(t, func(w world) {
		heard := newEvents()
		e, d := w.stand("me", heard)
		heard.all()
		d.Inject(storetest.Fault{Kind: storetest.Fail, Ops: []storetest.Op{storetest.Revoke}})
		d.Inject(storetest.Fault{Kind: storetest.DropReply, Ops: []storetest.Op{storetest.Renew}})
		time.Sleep(guarantee)
		synctest.Wait()
		require.False(t, e.IsLeader())
		d.Heal(storetest.Renew)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"me", "me"}, w.values(), "the last key is still there")
		require.False(t, e.IsLeader())
		time.Sleep(2 * ttl)
		synctest.Wait()
		require.True(t, e.IsLeader())
		got := heard.all()
		require.Len(t, got, 2)
		assert.Equal(t, lowered, got[0])
		assert.True(t, got[1].IsLeader)
		e.Close()
	})
}
