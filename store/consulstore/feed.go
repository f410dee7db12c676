package consulstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/muster-go/muster/store"
)

const (
	// waitTime is for how long Consul is to keep a query on which nothing happens.
	waitTime = 5 * time.Minute
	// settled is how long a feed must have worked for the next failure to count as the first.
	settled = time.Second
	// mostPause is the longest that a feed waits between two answers.
	mostPause = 250 * time.Millisecond
)

// view is what is below a prefix, as an answer showed it.
type view struct {
	records []store.Record // ordered by key
	index   uint64         // of the newest commit below the prefix that it shows
	rev     uint64         // of the newest commit that is known to be shown
	asked   time.Time      // when it was asked for, or later
	resets  int            // how often the feed had read anew
}

// below gives the part of the view that is below a prefix of it.
func (v *view) below(prefix string) []store.Record {
	byKey := func(r store.Record, key string) int { return strings.Compare(r.Key, key) }
	from, _ := slices.BinarySearchFunc(v.records, prefix, byKey)
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		if from < len(v.records) && v.records[from].Key == prefix {
			return v.records[from : from+1]
		}
		return nil
	}
	to := from
	for to < len(v.records) && strings.HasPrefix(v.records[to].Key, prefix) {
		to++
	}
	return v.records[from:to]
}

// state is what a feed knows, which never changes: a new one takes its place.
type state struct {
	view  *view // nil: nothing yet
	stale error // why view may be out of date; nil: it isn't
	since time.Time
	over  error // why the feed can never go on
}

// feed is a query that blocks until something changes below a prefix, again and again, and all watches
// for which that is what they want to know.
type feed struct {
	d      *driver
	prefix string
	cancel context.CancelFunc

	users int // with hub.mu

	mu      sync.Mutex
	state   state
	changed chan struct{}           // closed and replaced when state changes
	disturb context.CancelCauseFunc // ends what is under way; nil: nothing is
	good    time.Time               // when the view was last known to be up to date
}

func (f *feed) now() (state, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, f.changed
}

func (f *feed) become(s state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
	close(f.changed)
	f.changed = make(chan struct{})
}

// run keeps the feed going until ctx ends.
func (f *feed) run(ctx context.Context) {
	var wait backoff
	for ctx.Err() == nil {
		began := f.d.clk.Now()
		err := f.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized):
			s, _ := f.now()
			if began := s.view != nil && s.stale == nil; !began { // else the token may be a new one by now
				f.become(state{over: err})
				f.d.hub.forget(f)
				return
			}
		}
		f.lost(err)
		if f.d.clk.Now().Sub(began) > settled {
			wait.reset()
		}
		if !errors.Is(err, errWentBack) {
			wait.sleep(ctx, f.d)
		}
	}
}

// lost tells that the view may be out of date.
func (f *feed) lost(err error) {
	s, _ := f.now()
	if s.view == nil || s.stale != nil {
		return
	}
	f.mu.Lock()
	since := f.good
	f.mu.Unlock()
	if !f.d.down.Swap(true) {
		f.d.log.Warn("Consul watches are cut off", "store", f.d.name, "err", err)
	}
	f.become(state{view: s.view, stale: err, since: since})
}

// follow reads, and shows what changes, until the feed must read anew.
func (f *feed) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.mu.Lock()
	f.disturb = cancel
	f.mu.Unlock()
	index, err := f.read(ctx)
	if err != nil {
		return err
	}
	idle := 0 // answers in a row that told nothing
	for {
		asked := f.d.clk.Now()
		before, _ := f.now()
		l, err := f.d.list(ctx, f.prefix, f.blocking(index))
		if err != nil {
			return err
		}
		took := f.d.clk.Now().Sub(asked)
		switch {
		case l.index > index:
			f.show(l, max(l.index, before.view.rev), asked)
			index = l.index
		case took < waitTime || l.index < index:
			// A store that was restored ends all queries, and so does a server that stops. What was
			// deleted long ago doesn't count in the index any more.
			if index, err = f.read(ctx); err != nil {
				return err
			}
		}
		f.heard(asked)
		if idle++; !same(l.records, before.view.records) {
			idle = 0
		}
		f.pause(ctx, len(l.records), idle)
	}
}

func same(a, b []store.Record) bool {
	return slices.EqualFunc(a, b, func(a, b store.Record) bool { return a.Key == b.Key && a.ModRev == b.ModRev })
}

// read asks for everything, consistently, and shows it: as a reset if anything is new, for in a store
// that was restored, records may be as they were long ago.
func (f *feed) read(ctx context.Context) (index uint64, err error) {
	asked := f.d.clk.Now()
	newest, err := f.d.newest(ctx)
	if err != nil {
		return 0, err
	}
	l, err := f.d.list(ctx, f.prefix, f.d.reading)
	if err != nil {
		return 0, err
	}
	if err := context.Cause(ctx); err != nil { // disturbed since
		return 0, err
	}
	if s, _ := f.now(); s.view != nil && !same(l.records, s.view.records) {
		f.lost(errEnded) // unless it is already
	}
	f.show(l, max(newest, l.index), asked)
	return l.index, nil
}

// show makes an answer the view. After the feed was lost it is a reset.
func (f *feed) show(l listing, rev uint64, asked time.Time) {
	s, _ := f.now()
	next := &view{records: l.records, index: l.index, rev: rev, asked: asked}
	if s.view != nil {
		next.resets = s.view.resets
	}
	if s.stale != nil {
		next.resets++
		if f.d.down.Swap(false) {
			f.d.log.Info("Consul watches are back", "store", f.d.name)
		}
	}
	f.heard(asked)
	f.become(state{view: next})
}

// heard notes that the view was up to date then.
func (f *feed) heard(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.After(f.good) {
		f.good = at
	}
}

// stop ends what is under way, so that the feed reads anew.
func (f *feed) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.disturb != nil {
		f.disturb(err)
	}
}

// blocking asks for an answer when something is newer than index. Consul's usual consistency will do: a
// leader answers, and what it says has been committed.
func (f *feed) blocking(index uint64) func(context.Context) *api.QueryOptions {
	return func(ctx context.Context) *api.QueryOptions {
		return (&api.QueryOptions{Datacenter: f.d.a.datacenter, WaitIndex: index, WaitTime: waitTime}).WithContext(ctx)
	}
}

// pause lets changes gather before the next answer: longer for large ones, which cost everybody time,
// and after some that told nothing. (Where nothing is below a prefix, Consul answers when something
// happens beside it.)
func (f *feed) pause(ctx context.Context, records, idle int) {
	wait := time.Duration(records) * 100 * time.Microsecond
	if idle > 1 {
		wait = mostPause
	}
	f.d.sleep(ctx, min(wait, mostPause))
}
