package sim_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/sim"
	"github.com/muster-go/muster/store"
)

// in runs a test in a bubble with a World.
func in(t *testing.T, seed uint64, f func(w *sim.World)) {
	synctest.Test(t, func(*testing.T) {
		f(sim.New(sim.Config{Seed: seed, Settle: synctest.Wait}))
	})
}

// call runs f in a goroutine of the process and gives what it returned, once it has.
func call[T any](p *sim.Process, f func(context.Context) T) func() (T, bool) {
	var done atomic.Bool
	var got T
	p.Go(func(ctx context.Context) {
		got = f(ctx)
		done.Store(true)
	})
	return func() (T, bool) { return got, done.Load() }
}

func create(d store.Driver, key string, session store.SessionID) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: key, Session: session}})
		return err
	}
}

// end kills the process, so that the bubble can end.
func end(w *sim.World, all ...*sim.Process) {
	for _, p := range all {
		p.Kill()
	}
	for w.Step() {
	}
}

func TestAClocksRateHoldsForItsReadingsAndItsTimers(t *testing.T) {
	in(t, 1, func(w *sim.World) {
		p := w.Start("slow", 900)
		defer end(w, p)
		start := p.Clock().Now()
		var fired time.Duration
		p.Clock().AfterFunc(90*time.Second, func() { fired = w.Now() })
		w.Run(99*time.Second, nil)
		assert.Zero(t, fired)
		w.Run(2*time.Second, nil)
		assert.GreaterOrEqual(t, fired, 100*time.Second)
		assert.Less(t, fired, 100*time.Second+80*time.Millisecond)
		assert.Equal(t, 101*time.Second*9/10, p.Clock().Now().Sub(start))
	})
}

func TestATimerThatIsStoppedOrResetLeavesNoStaleReading(t *testing.T) {
	in(t, 1, func(w *sim.World) {
		p := w.Start("p", 1000)
		defer end(w, p)
		timer := p.Clock().NewTimer(time.Second)
		w.Run(2*time.Second, nil)
		timer.Reset(time.Minute)
		w.Run(30*time.Second, nil)
		assert.Empty(t, timer.Chan())
		assert.True(t, timer.Stop())
		w.Run(time.Hour, nil)
		assert.Empty(t, timer.Chan())
	})
}

func TestAPausedProcessHearsNothingThoughItsClockGoesOn(t *testing.T) {
	in(t, 1, func(w *sim.World) {
		p := w.Start("p", 1000)
		defer end(w, p)
		d := p.Driver()
		var fired atomic.Bool
		p.Clock().AfterFunc(time.Second, func() { fired.Store(true) })
		created := call(p, create(d, "a", ""))
		synctest.Wait()
		p.Pause()
		w.Run(time.Minute, nil)
		assert.False(t, fired.Load())
		_, answered := created()
		assert.False(t, answered)
		assert.GreaterOrEqual(t, p.Clock().Now().Sub(sim.Epoch), time.Minute)
		assert.Equal(t, uint64(1), w.Service().Snapshot().Rev(), "what was sent before has arrived")
		p.Resume()
		w.Run(time.Millisecond, nil)
		assert.True(t, fired.Load())
		err, answered := created()
		assert.True(t, answered)
		assert.NoError(t, err)
	})
}

func TestWhatAKilledProcessHadSentStillArrives(t *testing.T) {
	in(t, 1, func(w *sim.World) {
		p := w.Start("p", 1000)
		d := p.Driver()
		sent := call(p, create(d, "a", ""))
		synctest.Wait()
		p.Kill()
		late := call(p, create(d, "b", ""))
		synctest.Wait()
		for _, got := range []func() (error, bool){sent, late} {
			err, ended := got()
			require.True(t, ended)
			require.Error(t, err)
		}
		w.Run(time.Second, nil)
		assert.Equal(t, uint64(1), w.Service().Snapshot().Rev())
	})
}

func TestTheWeatherLosesHangsAndRepeats(t *testing.T) {
	in(t, 1, func(w *sim.World) {
		p := w.Start("p", 1000)
		d := p.Driver()
		answered := func(f func(context.Context) error) bool {
			got := call(p, func(context.Context) error {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				defer p.Clock().AfterFunc(time.Hour, cancel).Stop()
				return f(ctx)
			})
			w.Run(59*time.Minute, nil)
			err, ok := got()
			return ok && err == nil
		}
		rev := func() uint64 { return w.Service().Snapshot().Rev() }

		p.SetWeather(sim.Weather{LoseRequest: 1})
		assert.False(t, answered(create(d, "a", "")))
		assert.Zero(t, rev())
		p.SetWeather(sim.Weather{LoseReply: 1})
		assert.False(t, answered(create(d, "b", "")))
		assert.Equal(t, uint64(1), rev())
		p.SetWeather(sim.Weather{Refuse: true})
		assert.False(t, answered(create(d, "c", "")))
		assert.Equal(t, uint64(1), rev())
		p.SetWeather(sim.Weather{Hang: 1})
		assert.False(t, answered(create(d, "d", "")))
		p.SetWeather(sim.Weather{Repeat: 1})
		before := rev()
		remove := func(ctx context.Context) error {
			for _, write := range []store.Write{{Kind: store.Create, Key: "e"}, {Kind: store.Delete, Key: "e", If: before + 1}} {
				if _, err := d.Apply(ctx, []store.Write{write}); err != nil {
					return err
				}
			}
			return nil
		}
		assert.True(t, answered(remove))
		assert.Equal(t, before+3, rev(), "the create came once more, after the delete")
		end(w, p)
	})
}

func TestAWatchThatWasCutOrSilencedConvergesAndSaysSo(t *testing.T) {
	in(t, 1, func(w *sim.World) {
		p, other := w.Start("p", 1000), w.Start("other", 1000)
		var kinds []store.EventKind
		var last store.Event
		d, writer := p.Driver(), other.Driver()
		p.Go(func(ctx context.Context) {
			_ = d.Watch(ctx, "x/", func(e store.Event) {
				kinds = append(kinds, e.Kind)
				last = e
			})
		})
		write := func(key string) {
			call(other, create(writer, key, ""))
			w.Run(time.Second, nil)
		}
		write("x/a")
		assert.Equal(t, []store.EventKind{store.EventSnapshot, store.EventPut}, kinds)
		p.SetWeather(sim.Weather{Silent: true})
		write("x/b")
		assert.Len(t, kinds, 2)
		p.CutWatches()
		write("x/c")
		assert.Equal(t, []store.EventKind{store.EventStale}, kinds[2:])
		p.SetWeather(sim.Weather{})
		write("x/d")
		assert.Equal(t, store.EventReset, kinds[3])
		assert.Equal(t, uint64(4), last.Rev)
		end(w, p, other)
	})
}

func TestAFailedCheckEndsARunAndIsKept(t *testing.T) {
	in(t, 1, func(w *sim.World) {
		w.Check(func() {
			if w.Now() >= time.Second {
				w.Fail("a second has passed")
			}
		})
		w.After(time.Second, func() {})
		assert.False(t, w.Run(time.Minute, nil))
		assert.Equal(t, "a second has passed", w.Failed())
		assert.Equal(t, time.Second, w.Now())
		assert.Contains(t, w.Lines()[0], "FAILED")
	})
}

func TestADrawOfOneNameDoesNotShiftAnothers(t *testing.T) {
	in(t, 7, func(w *sim.World) {
		first := w.Chance("a").Uint64()
		w.Chance("b").Uint64()
		assert.Equal(t, first, w.Chance("a").Uint64())
		assert.NotEqual(t, first, w.Chance("b").Uint64())
		assert.NotEqual(t, w.Chance("a", "b").Uint64(), w.Chance("ab").Uint64())
	})
}
