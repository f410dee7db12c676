package claimer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-go/muster/store"
)

// Candidates lists who stands in an election, the holder first and then in the order in which they
// will follow, without joining it.
func (q *Queue) Candidates(ctx context.Context, name string) ([]Standing, error) {
	if err := store.CheckName("election", name); err != nil {
		return nil, err
	}
	snap, err := q.st.List(ctx, electionPrefix(name))
	if err != nil {
		return nil, fmt.Errorf("election %q: %w", name, err)
	}
	floor, err := q.st.Floor(ctx)
	if err != nil {
		return nil, fmt.Errorf("election %q: %w", name, err)
	}
	return standings(name, snap.Records, floor, true), nil
}

// Holder gives the first candidate of an election, false if there is none. Until it is Confirmed
// the holder itself may not know yet that it leads.
func (q *Queue) Holder(ctx context.Context, name string) (Standing, bool, error) {
	candidates, err := q.Candidates(ctx, name)
	if err != nil || len(candidates) == 0 {
		return Standing{}, false, err
	}
	return candidates[0], true, nil
}

// Check asks the store whether the claim is the one in force: nil, ErrNotHeld, or an error that
// says nothing. By the time it returns that may have changed; only a fencing token protects.
func (q *Queue) Check(ctx context.Context, c Claim) error {
	holder, ok, err := q.Holder(ctx, c.Name)
	if err != nil {
		return err
	}
	if !ok || holder.Holder != c.Holder || holder.Token != c.Token {
		return fmt.Errorf("election %q: token %d of %s: %w", c.Name, c.Token, c.Holder, ErrNotHeld)
	}
	return nil
}

// Election is what Elections tells of one.
type Election struct {
	Name    string
	Holder  Standing
	Waiting int // candidates behind the holder
}

// Elections lists the elections that somebody stands in, by name.
func (q *Queue) Elections(ctx context.Context) ([]Election, error) {
	snap, err := q.st.List(ctx, electionsPrefix)
	if err != nil {
		return nil, fmt.Errorf("elections: %w", err)
	}
	floor, err := q.st.Floor(ctx)
	if err != nil {
		return nil, fmt.Errorf("elections: %w", err)
	}
	byName := map[string][]store.Record{}
	for _, r := range snap.Records {
		segment, _, _ := strings.Cut(strings.TrimPrefix(r.Key, electionsPrefix), "/")
		if name, ok := store.Unescape(segment); ok {
			byName[name] = append(byName[name], r)
		}
	}
	var list []Election
	for name, records := range byName {
		s := standings(name, records, floor, true)
		list = append(list, Election{Name: name, Holder: s[0], Waiting: len(s) - 1})
	}
	slices.SortFunc(list, func(a, b Election) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// View is one state of an election, as Watch tells it.
type View struct {
	Candidates []Standing // the holder first; its Token is 0 until it has confirmed
	Stale      error      // not nil: why the view may be out of date
	StaleSince time.Time  // since when, on the store's clock
}

// Watch calls emit with the present state of an election and then with each change, one call at a
// time, without joining it. During an outage the last known state is told once more as stale. It
// returns when ctx ends, with its error, or when the watch can't go on.
func (q *Queue) Watch(ctx context.Context, name string, emit func(View)) error {
	if err := store.CheckName("election", name); err != nil {
		return err
	}
	records := map[string]store.Record{}
	var view View
	return q.st.Watch(ctx, electionPrefix(name), func(e store.Event) {
		switch e.Kind {
		case store.EventSnapshot, store.EventReset:
			clear(records)
			for _, r := range e.Records {
				records[r.Key] = r
			}
		case store.EventPut:
			records[e.Record.Key] = e.Record
		case store.EventDelete:
			delete(records, e.Record.Key)
		}
		view.Stale, view.StaleSince = e.Err, e.Since
		if e.Kind != store.EventStale {
			view.Stale, view.StaleSince = nil, time.Time{}
			list := make([]store.Record, 0, len(records))
			for _, r := range records {
				list = append(list, r)
			}
			slices.SortFunc(list, store.CompareRecords)
			view.Candidates = standings(name, list, 0, false)
		}
		emit(view)
	})
}

// AskResign asks the holder of an election to resign, and gives the holder that was asked. It is a
// request: the holder obeys when its guarded work has stopped. ErrNotHeld: nobody holds it.
func (q *Queue) AskResign(ctx context.Context, name string) (Standing, error) {
	if err := store.CheckName("election", name); err != nil {
		return Standing{}, err
	}
	for {
		snap, err := q.st.List(ctx, electionPrefix(name))
		if err != nil {
			return Standing{}, fmt.Errorf("election %q: %w", name, err)
		}
		if len(snap.Records) == 0 {
			return Standing{}, fmt.Errorf("election %q: nobody leads: %w", name, ErrNotHeld)
		}
		record := snap.Records[0]
		holder := standings(name, snap.Records[:1], 0, false)[0]
		if holder.ResignAsked {
			return holder, nil
		}
		var e entry
		if err := json.Unmarshal(record.Value, &e); err != nil {
			return Standing{}, fmt.Errorf("election %q: the holder's record %q can't be read: %w", name, record.Key, err)
		}
		e.ResignAsked = true
		outcomes, err := q.st.Apply(ctx, []store.Write{{
			Kind: store.Update, Key: record.Key, If: record.ModRev, Value: e.encode(), Session: record.Session,
		}})
		if err == nil {
			err = outcomes[0].Err
		}
		switch {
		case err == nil:
			return holder, nil
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrGone): // it changed, or left: look again
		default:
			return Standing{}, fmt.Errorf("election %q: ask %s to resign: %w", name, DisplayHolder(holder.Holder), err)
		}
	}
}
