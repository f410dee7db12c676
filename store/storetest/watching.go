package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// watching is a watch at work. It checks each event by the rules that hold for all watches, and
// folds it into a view.
type watching struct {
	k      *trial
	d      store.Driver
	prefix string
	stop   context.CancelFunc
	over   chan struct{} // closed when Watch has returned; err is then its result
	err    error

	mu     sync.Mutex
	events []told
	view   map[string]store.Record
	order  uint64 // of the latest delta, or the snapshot's Rev
	rev    uint64 // of the latest event
	stale  bool
	wrong  []string // rules broken

	busy, ended atomic.Bool
	during      func(store.Event) // run inside emit, without the lock
}

// told is an event, when it came, and how many keys the view had afterwards.
type told struct {
	store.Event
	at   time.Time
	view int
}

// watch begins a watch and waits for its snapshot.
func (k *trial) watch(d store.Driver, prefix string) *watching {
	k.Helper()
	w := k.beginWatch(d, prefix, nil)
	w.until(func() bool { return len(w.events) > 0 }, "the watch's snapshot")
	return w
}

// beginWatch begins a watch. It is stopped at the end of the check, at the latest.
func (k *trial) beginWatch(d store.Driver, prefix string, during func(store.Event)) *watching {
	ctx, cancel := context.WithCancel(k.ctx)
	w := &watching{k: k, d: d, prefix: prefix, stop: cancel, over: make(chan struct{}), view: map[string]store.Record{}, during: during}
	go func() {
		defer close(w.over)
		w.err = d.Watch(ctx, prefix, w.emit)
		w.ended.Store(true)
	}()
	k.Cleanup(func() {
		cancel()
		select {
		case <-w.over:
		case <-k.ctx.Done():
			k.Errorf("the watch of %q didn't return when its context was done", prefix)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, wrong := range w.wrong {
			k.Errorf("watch of %q: %s", prefix, wrong)
		}
	})
	return w
}

func (w *watching) emit(e store.Event) {
	if w.ended.Load() || !w.busy.CompareAndSwap(false, true) {
		w.mu.Lock()
		w.blame("emit was called after Watch had returned, or twice at a time")
		w.mu.Unlock()
		return
	}
	defer w.busy.Store(false)
	w.mu.Lock()
	w.judge(e)
	w.fold(e)
	w.events = append(w.events, told{Event: e, at: w.k.now(), view: len(w.view)})
	w.mu.Unlock()
	if w.during != nil {
		w.during(e)
	}
}

func (w *watching) blame(format string, args ...any) {
	if len(w.wrong) < 5 {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// judge holds an event against the rules for every watch.
func (w *watching) judge(e store.Event) {
	first := len(w.events) == 0
	switch {
	case first && e.Kind != store.EventSnapshot:
		w.blame("the first event is of kind %d, not EventSnapshot", e.Kind)
	case !first && e.Kind == store.EventSnapshot:
		w.blame("a second EventSnapshot: after the first it is EventReset")
	}
	switch e.Kind {
	case store.EventSnapshot, store.EventReset:
		if !slices.IsSortedFunc(e.Records, byCreation) {
			w.blame("the records of a snapshot aren't ordered by (CreateRev, Key)")
		}
		if e.Since.IsZero() || e.Since.After(w.k.now()) {
			w.blame("a snapshot without Since, or one that is to come (%v)", e.Since)
		}
		for _, r := range e.Records {
			w.judgeRecord(r, e.Rev)
		}
	case store.EventPut:
		w.judgeRecord(e.Record, e.Record.ModRev)
		if known, ok := w.view[e.Record.Key]; ok && known.ModRev >= e.Record.ModRev {
			w.blame("put of %q at revision %d after one at %d", e.Record.Key, e.Record.ModRev, known.ModRev)
		}
		w.judgeOrder(e, e.Record.ModRev)
	case store.EventDelete:
		if !matches(w.prefix, e.Record.Key) {
			w.blame("delete of %q, which the prefix doesn't match", e.Record.Key)
		}
		w.judgeOrder(e, e.Rev)
	case store.EventStale:
		if w.stale {
			w.blame("EventStale twice in a row")
		}
		if e.Err == nil || e.Since.IsZero() {
			w.blame("EventStale without Err (%v) or Since (%v)", e.Err, e.Since)
		}
	case store.EventCurrent:
		if !w.stale {
			w.blame("EventCurrent without EventStale before it")
		}
	default:
		w.blame("an event of unknown kind %d", e.Kind)
	}
	if e.Kind != store.EventReset && e.Rev < w.rev {
		w.blame("Rev fell from %d to %d without a reset", w.rev, e.Rev)
	}
}

// judgeOrder: deltas come in the order of revisions; those of one batch may share one.
func (w *watching) judgeOrder(e store.Event, rev uint64) {
	since := w.events[max(0, len(w.events)-1):]
	afterSnapshot := len(since) == 1 && (since[0].Kind == store.EventSnapshot || since[0].Kind == store.EventReset)
	if rev < w.order || afterSnapshot && rev == w.order {
		w.blame("a delta of %q at revision %d after everything up to %d had been told", e.Record.Key, rev, w.order)
	}
}

func (w *watching) judgeRecord(r store.Record, most uint64) {
	if !matches(w.prefix, r.Key) {
		w.blame("record %q, which the prefix doesn't match", r.Key)
	}
	if r.CreateRev == 0 || r.CreateRev > r.ModRev || r.ModRev > most {
		w.blame("record %q: want 0 < CreateRev %d ≤ ModRev %d ≤ %d", r.Key, r.CreateRev, r.ModRev, most)
	}
}

func (w *watching) fold(e store.Event) {
	switch e.Kind {
	case store.EventSnapshot, store.EventReset:
		w.view = make(map[string]store.Record, len(e.Records))
		for _, r := range e.Records {
			w.view[r.Key] = r
		}
		w.order = e.Rev
	case store.EventPut:
		w.view[e.Record.Key] = e.Record
		w.order = e.Record.ModRev
	case store.EventDelete:
		delete(w.view, e.Record.Key)
		w.order = e.Rev
	}
	w.stale = e.Kind == store.EventStale
	w.rev = e.Rev
}

// until waits until cond, called with the lock held, is true.
func (w *watching) until(cond func() bool, what string) {
	w.k.Helper()
	w.k.eventually(func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.wrong) > 0 {
			w.k.FailNow() // Cleanup says what
		}
		return cond()
	}, what)
}

// sees waits until the view has, or hasn't, a key.
func (w *watching) sees(key string, present bool) {
	w.k.Helper()
	w.until(func() bool { _, ok := w.view[key]; return ok == present }, fmt.Sprintf("the watch to see %s: %v", key, present))
}

// converges waits until the view is what List says.
func (w *watching) converges(by store.Driver) {
	w.k.Helper()
	w.until(func() bool {
		snap := w.k.list(by, w.prefix)
		view := slices.SortedFunc(maps.Values(w.view), byCreation)
		return slices.EqualFunc(view, snap.Records, same) && !w.stale
	}, "the watch to agree with List and not to be stale")
}

// told gives the events so far.
func (w *watching) told() []told {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// has reports, with the lock held, whether an event of this kind came.
func (w *watching) has(kind store.EventKind) bool {
	return slices.ContainsFunc(w.events, func(e told) bool { return e.Kind == kind })
}

// returns waits until the watch has returned.
func (w *watching) returns() error {
	w.k.Helper()
	select {
	case <-w.over:
	case <-w.k.ctx.Done():
		require.Fail(w.k, "the watch didn't return")
	}
	return w.err
}

// matches is the rule for prefixes of store.Driver.
func matches(prefix, key string) bool {
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return strings.HasPrefix(key, prefix)
	}
	return key == prefix
}

func byCreation(a, b store.Record) int {
	return cmp.Or(cmp.Compare(a.CreateRev, b.CreateRev), cmp.Compare(a.Key, b.Key))
}

func same(a, b store.Record) bool {
	return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && a.CreateRev == b.CreateRev && a.ModRev == b.ModRev && a.Session == b.Session
}
