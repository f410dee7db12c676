package etcdutil_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/etcdutil"
)

func TestLeadershipIsHandedOverOnlyAfterTheObserverHasReturned(t *testing.T) {
	for name, end := range map[string]func(*etcdutil.Election){
		"close":   (*etcdutil.Election).Close,
		"concede": func(e *etcdutil.Election) { _, _ = e.Concede() },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w world) {
				heard := newEvents()
				var one *etcdutil.Election
				var working atomic.Bool
				c := conf("one", nil)
				c.EventObserver = func(e etcdutil.ElectionEvent) {
					heard.observe(e)
					if e == lowered && working.CompareAndSwap(false, true) {
						assert.False(t, one.IsLeader(), "lower first")
						time.Sleep(1500 * time.Millisecond) // guarded work stops
						working.Store(false)
					}
				}
				one = etcdutil.NewElectionAsyncOn(w.driver(), c)
				synctest.Wait()
				require.True(t, one.IsLeader())
				two, _ := w.stand("two", nil)
				go end(one)
				time.Sleep(1400 * time.Millisecond)
				synctest.Wait()
				assert.False(t, one.IsLeader())
				assert.False(t, two.IsLeader(), "guarded work still runs")
				assert.Equal(t, []string{"one", "two"}, w.values())
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				assert.True(t, two.IsLeader())
				one.Close()
				two.Close()
			})
		})
	}
}

func TestAnObserverThatDoesNotReturnKeepsNobodyForLong(t *testing.T) {
	in(t, func(w world) {
		free := make(chan struct{})
		var calls atomic.Int32
		c := conf("one", nil)
		c.EventObserver = func(etcdutil.ElectionEvent) {
			calls.Add(1)
			<-free
		}
		one := etcdutil.NewElectionAsyncOn(w.driver(), c)
		synctest.Wait()
		require.True(t, one.IsLeader())
		two, _ := w.stand("two", nil)
		began := time.Now()
		led, err := one.Concede()
		require.NoError(t, err)
		assert.True(t, led)
		assert.Equal(t, 2*time.Second, time.Since(began))
		synctest.Wait()
		assert.True(t, two.IsLeader())
		two.Close()
		synctest.Wait()
		assert.True(t, one.IsLeader())
		began = time.Now()
		one.Close()
		assert.Equal(t, 4*time.Second, time.Since(began))
		assert.Empty(t, w.values())
		close(free)
		synctest.Wait()
		assert.EqualValues(t, 1, calls.Load(), "no call begins after Close has returned")
	})
}

func TestEventsComeInOrderAndOneAtATime(t *testing.T) {
	in(t, func(w world) {
		heard := newEvents()
		var inside atomic.Int32
		c := conf("one", nil)
		c.EventObserver = func(e etcdutil.ElectionEvent) {
			assert.EqualValues(t, 1, inside.Add(1))
			time.Sleep(time.Second)
			heard.observe(e)
			inside.Add(-1)
		}
		one := etcdutil.NewElectionAsyncOn(w.driver(), c)
		synctest.Wait()
		for range 5 {
			led, err := one.Concede()
			require.NoError(t, err)
			require.True(t, led)
			synctest.Wait()
		}
		one.Close()
		got := heard.all()
		require.Len(t, got, 13)
		for i, e := range got[:11] {
			assert.Equal(t, i%2 == 0, e.IsLeader)
		}
		assert.Equal(t, []etcdutil.ElectionEvent{lowered, done}, got[11:])
	})
}

func TestConcedeAndCloseMayBeCalledByManyAtOnce(t *testing.T) {
	in(t, func(w world) {
		heard := newEvents()
		one, _ := w.stand("one", heard)
		two, _ := w.stand("two", nil)
		var led atomic.Int32
		for range 10 {
			go func() {
				if was, err := one.Concede(); assert.NoError(t, err) && was {
					led.Add(1)
				}
			}()
		}
		synctest.Wait()
		assert.EqualValues(t, 1, led.Load(), "one of them had something to give up")
		for range 10 {
			go one.Close()
			go func() { _, _ = one.Concede() }()
		}
		one.Close()
		two.Close()
		synctest.Wait()
		got := heard.all()
		assert.Equal(t, []etcdutil.ElectionEvent{lowered, done}, got[len(got)-2:])
		assert.Len(t, got, 5, "leads, gave it up, follows, and the end")
	})
}

func TestAFollowerThatLosesItsLeaseHearsNothingNew(t *testing.T) {
	in(t, func(w world) {
		one, _ := w.stand("one", nil)
		heard := newEvents()
		two, d := w.stand("two", heard)
		assert.Len(t, heard.all(), 1)
		d.CutWatches()
		time.Sleep(2 * ttl)
		d.Heal()
		w.service.Expire("mem-2")
		time.Sleep(2 * ttl)
		synctest.Wait()
		assert.Equal(t, []string{"one", "two"}, w.values())
		assert.Empty(t, heard.all(), "the leader is the same")
		one.Close()
		two.Close()
	})
}
