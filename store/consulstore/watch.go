package consulstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/muster-go/muster/store"
)

// watching is one call of Watch.
type watching struct {
	d      *driver
	prefix string
	emit   func(store.Event)

	begun   bool           // the snapshot was told
	records []store.Record // what was told, ordered by key
	rev     uint64         // up to which everything was told
	resets  int            // of the feed, that were told
	shown   *view          // that was told
	stale   bool           // as was told
}

// Watch implements store.Driver.
func (d *driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	if d.ctx.Err() != nil {
		return store.ErrClosed
	}
	began := d.clk.Now()
	w := &watching{d: d, prefix: prefix, emit: emit}
	f, err := d.hub.join(prefix)
	if err != nil {
		return err
	}
	defer d.hub.leave(f)
	var wait backoff
	for {
		s, changed := f.now()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case d.ctx.Err() != nil:
			return store.ErrClosed
		case s.over != nil:
			return s.over
		case !w.begun && s.view != nil && s.stale == nil && !s.view.asked.Before(began):
			w.begin(s.view.below(prefix), s.view.rev, s.view.asked, s.view)
		case !w.begun && s.view != nil && s.stale == nil:
			// The feed has known all along what changes, but what it shows may be older than this watch.
			if err := w.read(ctx, s.view); errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized) {
				return err
			} else if err != nil {
				wait.sleep(ctx, d)
			}
			continue
		case w.begun:
			w.tell(s)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-d.ctx.Done():
			return store.ErrClosed
		}
	}
}

// read tells the snapshot from a list of the watch's own.
func (w *watching) read(ctx context.Context, before *view) error {
	asked := w.d.clk.Now()
	newest, err := w.d.newest(ctx)
	if err != nil {
		return err
	}
	l, err := w.d.list(ctx, w.prefix, w.d.reading)
	if err != nil || ctx.Err() != nil {
		return cmp.Or(err, ctx.Err())
	}
	w.begin(l.records, max(newest, l.index), asked, before)
	w.shown = nil // what the feed shows may differ
	return nil
}

func (w *watching) begin(records []store.Record, rev uint64, asked time.Time, v *view) {
	w.begun, w.resets, w.shown = true, v.resets, v
	w.all(store.EventSnapshot, records, rev, asked)
}

// all tells everything.
func (w *watching) all(kind store.EventKind, records []store.Record, rev uint64, asked time.Time) {
	w.records, w.rev, w.stale = records, rev, false
	ordered := slices.Clone(records)
	slices.SortFunc(ordered, store.CompareRecords)
	w.emit(store.Event{Kind: kind, Records: ordered, Rev: rev, Since: asked})
}

// tell tells what is new in what the feed knows.
func (w *watching) tell(s state) {
	switch {
	case s.view.resets != w.resets:
		w.resets, w.shown = s.view.resets, s.view
		w.all(store.EventReset, s.view.below(w.prefix), s.view.rev, s.view.asked)
	case s.view != w.shown:
		w.shown = s.view
		w.change(s.view)
	}
	if s.stale != nil && !w.stale {
		w.stale = true
		w.emit(store.Event{Kind: store.EventStale, Rev: w.rev, Err: s.stale, Since: s.since})
	}
}
