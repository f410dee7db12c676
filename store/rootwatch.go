package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// watchOnce starts the watch of the root record with the first session.
func (r *root) watchOnce() {
	r.once.Do(func() { r.s.loops.Go(r.watch) })
}

func (r *root) watch() {
	retry := backoff{first: 100 * time.Millisecond, most: 5 * time.Second, random: r.s.random}
	for r.s.ctx.Err() == nil {
		err := r.s.Watch(r.s.ctx, rootKey, r.heard)
		if r.s.ctx.Err() != nil {
			return
		}
		r.s.log.Warn("the watch of the store's era ended", "err", err)
		r.s.sleep(r.s.ctx, retry.wait())
	}
}

// check reads the era to see whether it still stands, and so mends what the watch could not tell.
func (r *root) check(ctx context.Context) { r.checkBy(ctx, r.s.List) }

// checkBy is check, with a way of its own to list.
func (r *root) checkBy(ctx context.Context, list func(context.Context, string) (Snapshot, error)) {
	if _, err := r.readBy(ctx, 0, rootPrefix, list); err != nil {
		r.s.log.Debug("the store's era could not be read", "err", err)
	}
}

// heard takes an event of the watch. The watch may lag behind reads; so an event only counts if it
// is news, or a reset.
func (r *root) heard(e Event) {
	r.mu.Lock()
	known, modRev, rev := r.known, r.modRev, r.rev
	r.mu.Unlock()
	if known.Era == "" {
		return // no lease yet
	}
	record := e.Record
	switch e.Kind {
	case EventSnapshot, EventReset:
		if e.Rev < rev && (e.Kind == EventSnapshot || e.Rev >= r.knownBy(e.Since)) { // it lags behind a read, or the store was restored: ask
			r.s.loops.Go(func() { r.check(r.s.ctx) })
			return
		}
		if len(e.Records) == 0 {
			r.loseAll("", fmt.Errorf("%w: the store lost its era: it was wiped", ErrSessionGone))
			return
		}
		record = e.Records[0]
	case EventDelete:
		if e.Rev > modRev {
			r.loseAll("", fmt.Errorf("%w: the store's era was deleted", ErrSessionGone))
		}
		return
	case EventPut:
		if record.ModRev <= modRev {
			return
		}
	default:
		return
	}
	var now rootRecord
	if err := json.Unmarshal(record.Value, &now); err != nil || now.Era == "" {
		return // the next read says what is wrong
	}
	if e.Kind == EventReset && now.Era == known.Era && e.Rev < rev {
		r.fell(known.Era)
		r.loseAll("", fmt.Errorf("%w: the store's revision fell from %d to %d: it was restored", ErrSessionGone, rev, e.Rev))
		return
	}
	r.witness(now, record.ModRev, e.Rev)
}

// knownBy gives the greatest revision that this process had surely seen by then.
func (r *root) knownBy(then time.Time) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if then.IsZero() { // a driver that doesn't say
		return r.rev
	}
	return r.progress.by(then.Sub(r.s.base))
}

// fell notes that revisions ran backwards in an era: the next read begins a new one, though commits
// have made up for the fall until then.
func (r *root) fell(era string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fallen = era
}
