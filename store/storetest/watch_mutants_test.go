package storetest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// pause lets other goroutines come between.
func pause() { <-bootclock.Clock.After(3 * time.Millisecond) }

// told replaces what a watch tells: change gives false for an event that is to be lost.
func told(f *storetest.Faults, change func(prefix string, e *store.Event, nth int) bool) bugs {
	return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
		nth := 0
		return f.Watch(ctx, prefix, func(e store.Event) {
			nth++
			if change(prefix, &e, nth) {
				emit(e)
			}
		})
	}}
}

var watchMutants = []struct {
	name     string
	caughtBy string
	bug      func(t *testing.T, f *storetest.Faults) bugs
}{
	{"a watch tells no snapshot", "watch: a snapshot first, then the deltas", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, _ int) bool { return e.Kind != store.EventSnapshot })
	}},
	{"deletes are told without their revision", "watch: a snapshot first, then the deltas", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, _ int) bool {
			if e.Kind == store.EventDelete {
				e.Rev = e.Record.ModRev
			}
			return true
		})
	}},
	{"a watch of a key tells of longer ones", "watch: of one key tells of no other", watchesByString},
	{"a watch of a prefix tells of others", "watch: of a prefix tells of no other", func(t *testing.T, f *storetest.Faults) bugs {
		good := watchesByString(t, f)
		return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
			return good.watch(ctx, strings.TrimSuffix(prefix, "/"), emit)
		}}
	}},
	{"a watch subscribes after it has read", "watch: loses nothing between snapshot and deltas", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
			snap, err := f.List(ctx, prefix)
			if err != nil {
				return err
			}
			emit(store.Event{Kind: store.EventSnapshot, Records: snap.Records, Rev: snap.Rev})
			pause()
			return f.Watch(ctx, prefix, func(e store.Event) {
				if e.Kind != store.EventSnapshot {
					emit(e)
				}
			})
		}}
	}},
	{"a watch loses a delta", "watch: converges to what List says", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, nth int) bool { return e.Kind != store.EventPut || nth%2 == 0 })
	}},
	{"deltas come out of order", "watch: converges to what List says", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
			var held *store.Event
			return f.Watch(ctx, prefix, func(e store.Event) {
				switch {
				case e.Kind == store.EventPut && held == nil:
					held = &e
				case held != nil:
					emit(e)
					emit(*held)
					held = nil
				default:
					emit(e)
				}
			})
		}}
	}},
	{"the deletes of a session aren't told", "watch: tells of revoked sessions", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, _ int) bool {
			return e.Kind != store.EventDelete || e.Record.Session == ""
		})
	}},
	{"writers wait for receivers", "watch: a slow receiver delays nobody", func(_ *testing.T, f *storetest.Faults) bugs {
		turn := make(chan struct{}, 1)
		return bugs{
			watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
				return f.Watch(ctx, prefix, func(e store.Event) {
					turn <- struct{}{}
					emit(e)
					<-turn
				})
			},
			apply: func(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
				select {
				case turn <- struct{}{}:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				defer func() { <-turn }()
				return f.Apply(ctx, writes)
			},
		}
	}},
	{"a watch tells something after its end", "watch: ends with its context and tells nothing afterwards", func(t *testing.T, f *storetest.Faults) bugs {
		var late sync.WaitGroup
		t.Cleanup(late.Wait)
		return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
			err := f.Watch(ctx, prefix, emit)
			late.Go(func() { pause(); emit(store.Event{Kind: store.EventStale}) })
			return err
		}}
	}},
	{"a watch polls as fast as it can", "watch: one that doesn't change costs nothing beyond the poll", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
			var poller sync.WaitGroup
			defer poller.Wait()
			poller.Go(func() {
				for ctx.Err() == nil {
					_, _ = f.List(ctx, prefix)
				}
			})
			return f.Watch(ctx, prefix, emit)
		}}
	}},
	{"a watch ends when it is cut", "watch: survives a cut", endsWhenStale},
	{"a cut watch says nothing", "watch: survives a cut", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, _ int) bool { return e.Kind != store.EventStale })
	}},
	{"a cut watch goes on from now", "watch: survives a cut", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, _ int) bool {
			if e.Kind == store.EventReset {
				e.Kind = store.EventCurrent
			}
			return true
		})
	}},
	{"a frozen watch drops what comes", "watch: survives a freeze", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, nth int) bool { return nth != 2 })
	}},
	{"a watch begun during a cut is stale first", "watch: one that begins during a cut has its snapshot first", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
			if _, err := f.List(ctx, prefix); err != nil {
				emit(store.Event{Kind: store.EventStale, Err: err, Since: time.Unix(1, 0)})
			}
			return f.Watch(ctx, prefix, emit)
		}}
	}},
	{"a watch ends at a restart", "watch: survives a restart of the store", endsWhenStale},
	{"a wipe is told as a second snapshot", "watch: a wiped store is a reset", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, _ int) bool {
			if e.Kind == store.EventReset {
				e.Kind = store.EventSnapshot
			}
			return true
		})
	}},
	{"a wipe isn't told", "watch: a wiped store is a reset", func(_ *testing.T, f *storetest.Faults) bugs {
		return told(f, func(_ string, e *store.Event, _ int) bool { return e.Kind != store.EventReset })
	}},
	{"Close revokes the sessions", "close: ends calls and watches, keeps sessions, may be repeated", func(_ *testing.T, f *storetest.Faults) bugs {
		var mine []store.SessionID
		return bugs{
			grant: func(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
				id, err := f.Grant(ctx, ttl)
				mine = append(mine, id)
				return id, err
			},
			close: func() error {
				for _, id := range mine {
					_ = f.Revoke(context.Background(), id)
				}
				return f.Close()
			},
		}
	}},
	{"the second Close is an error", "close: ends calls and watches, keeps sessions, may be repeated", func(_ *testing.T, f *storetest.Faults) bugs {
		closed := false
		return bugs{close: func() error {
			if closed {
				return errors.New("closed already")
			}
			closed = true
			return f.Close()
		}}
	}},
	{"Close leaves the watches open", "close: ends calls and watches, keeps sessions, may be repeated", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
			err := f.Watch(ctx, prefix, emit)
			<-ctx.Done()
			return err
		}}
	}},
	{"a call after Close says only that the context is done", "close: every call afterwards is ErrClosed", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{owned: func(ctx context.Context, id store.SessionID) ([]store.Record, error) {
			owned, err := f.Owned(ctx, id)
			if err != nil {
				err = context.Canceled
			}
			return owned, err
		}}
	}},
	{"Close leaves a goroutine behind", "close: leaves no goroutine behind", func(t *testing.T, f *storetest.Faults) bugs {
		stop := make(chan struct{})
		t.Cleanup(func() { close(stop) })
		go func() { <-stop }()
		return bugs{}
	}},
}

func watchesByString(_ *testing.T, f *storetest.Faults) bugs {
	return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
		return f.Watch(ctx, "", func(e store.Event) {
			var records []store.Record
			for _, r := range e.Records {
				if strings.HasPrefix(r.Key, prefix) {
					records = append(records, r)
				}
			}
			if e.Records = records; e.Record.Key == "" || strings.HasPrefix(e.Record.Key, prefix) {
				emit(e)
			}
		})
	}}
}

func endsWhenStale(_ *testing.T, f *storetest.Faults) bugs {
	return bugs{watch: func(ctx context.Context, prefix string, emit func(store.Event)) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return f.Watch(ctx, prefix, func(e store.Event) {
			if emit(e); e.Kind == store.EventStale {
				cancel()
			}
		})
	}}
}
