package storetest_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// one applies a single write.
func one(ctx context.Context, f *storetest.Faults, w store.Write) (store.Outcome, error) {
	outcomes, err := f.Apply(ctx, []store.Write{w})
	if err != nil {
		return store.Outcome{}, err
	}
	return outcomes[0], nil
}

// each replaces Apply by a write at a time, changed or judged by change.
func each(f *storetest.Faults, change func(context.Context, store.Write) (store.Outcome, error)) bugs {
	return bugs{apply: func(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
		if len(writes) != 1 {
			return f.Apply(ctx, writes)
		}
		o, err := change(ctx, writes[0])
		return []store.Outcome{o}, err
	}}
}

func current(ctx context.Context, f *storetest.Faults, key string) (store.Record, bool) {
	snap, err := f.List(ctx, key)
	if err != nil || len(snap.Records) == 0 {
		return store.Record{}, false
	}
	return snap.Records[0], true
}

func hides(err, class error) error {
	if errors.Is(err, class) {
		return nil
	}
	return err
}

// listed replaces what List gives.
func listed(f *storetest.Faults, change func(prefix string, snap *store.Snapshot)) bugs {
	return bugs{list: func(ctx context.Context, prefix string) (store.Snapshot, error) {
		snap, err := f.List(ctx, prefix)
		if err == nil {
			change(prefix, &snap)
		}
		return snap, err
	}}
}

// mutants are the deliberate bugs in calls; those in watches and Close stand in the next file.
var mutants = append([]struct {
	name     string
	caughtBy string
	bug      func(t *testing.T, f *storetest.Faults) bugs
}{
	{"limits promise a failover within half a TTL", "limits: they are sane, constant and allow the harness's TTL", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{limits: func() store.Limits { l := f.Limits(); l.ExpiryFactor = 0.5; return l }}
	}},
	{"proof is given to everybody", "proof: is given at most once", func(*testing.T, *storetest.Faults) bugs {
		return bugs{proof: func(context.Context) (bool, error) { return true, nil }}
	}},
	{"sessions end too early", "session: ends no earlier than its TTL and no later than its limits say", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{grant: func(ctx context.Context, ttl time.Duration) (store.SessionID, error) { return f.Grant(ctx, ttl*9/10) }}
	}},
	{"sessions end too late", "session: ends no earlier than its TTL and no later than its limits say", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{grant: func(ctx context.Context, ttl time.Duration) (store.SessionID, error) { return f.Grant(ctx, ttl*3/2) }}
	}},
	{"Renew does nothing", "session: renewal starts its TTL anew", func(*testing.T, *storetest.Faults) bugs {
		return bugs{renew: func(context.Context, store.SessionID) error { return nil }}
	}},
	{"Renew revives an expired session", "session: once gone it stays gone", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{renew: func(ctx context.Context, id store.SessionID) error {
			return hides(f.Renew(ctx, id), store.ErrSessionGone)
		}}
	}},
	{"Revoke of a gone session is an error", "session: once gone it stays gone", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{revoke: func(ctx context.Context, id store.SessionID) error {
			return cmp.Or(f.Renew(ctx, id), f.Revoke(ctx, id))
		}}
	}},
	{"Revoke leaves the records", "session: Revoke deletes what it owns and nothing else, and may be repeated", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{revoke: func(ctx context.Context, id store.SessionID) error {
			owned, _ := f.Owned(ctx, id)
			for _, r := range owned {
				_, _ = one(ctx, f, store.Write{Kind: store.Update, Key: r.Key, If: r.ModRev, Value: r.Value})
			}
			return f.Revoke(ctx, id)
		}}
	}},
	{"Owned lists records of others", "session: Owned lists exactly what it owns", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{owned: func(ctx context.Context, _ store.SessionID) ([]store.Record, error) {
			snap, err := f.List(ctx, "")
			return snap.Records, err
		}}
	}},
	{"a session is renewed by the driver itself", "session: forgotten ones harm nobody", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{grant: func(ctx context.Context, ttl time.Duration) (store.SessionID, error) { return f.Grant(ctx, 100*ttl) }}
	}},
	{"a session that was ended from outside is taken for alive", "session: an administrator can end it", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{renew: func(ctx context.Context, id store.SessionID) error {
			return hides(f.Renew(ctx, id), store.ErrSessionGone)
		}}
	}},
	{"a short TTL is silently made longer", "session: a TTL that can't be kept is refused", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{grant: func(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
			return f.Grant(ctx, max(ttl, f.Limits().MinTTL))
		}}
	}},
	{"Create overwrites", "write: Create needs an absent key", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			if r, ok := current(ctx, f, w.Key); ok && w.Kind == store.Create {
				w.Kind, w.If = store.Update, r.ModRev
			}
			return one(ctx, f, w)
		})
	}},
	{"a conflict is no error", "write: Create needs an absent key", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			o, err := one(ctx, f, w)
			o.Err = hides(o.Err, store.ErrConflict)
			return o, err
		})
	}},
	{"Update has no condition", "write: Update needs the record's revision", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			if r, ok := current(ctx, f, w.Key); ok && w.Kind == store.Update {
				w.If = r.ModRev
			}
			return one(ctx, f, w)
		})
	}},
	{"revisions don't increase", "write: Update needs the record's revision", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			o, err := one(ctx, f, w)
			if w.Kind == store.Update && o.Err == nil {
				o.Rev = w.If
			}
			return o, err
		})
	}},
	{"Update deletes and creates", "write: Update needs the record's revision", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			if w.Kind == store.Update {
				if o, err := one(ctx, f, store.Write{Kind: store.Delete, Key: w.Key, If: w.If}); err != nil || o.Err != nil {
					return o, err
				}
				w.Kind = store.Create
			}
			return one(ctx, f, w)
		})
	}},
	{"Delete has no condition", "write: Delete needs the record's revision", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			if r, ok := current(ctx, f, w.Key); ok && w.Kind == store.Delete {
				w.If = r.ModRev
			}
			return one(ctx, f, w)
		})
	}},
	{"a record created again keeps its create revision", "write: a key that is created again gets a new CreateRev", func(_ *testing.T, f *storetest.Faults) bugs {
		return listed(f, func(_ string, snap *store.Snapshot) {
			for i := range snap.Records {
				snap.Records[i].CreateRev = 1
			}
		})
	}},
	{"Update keeps the owner", "write: Update can change the owner", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			if r, ok := current(ctx, f, w.Key); ok && w.Kind == store.Update {
				w.Session = r.Session
			}
			return one(ctx, f, w)
		})
	}},
	{"a gone owner is told as a conflict", "write: a gone owner is ErrSessionGone, not a conflict", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			o, err := one(ctx, f, w)
			if errors.Is(o.Err, store.ErrSessionGone) {
				o.Err = store.ErrConflict
			}
			return o, err
		})
	}},
	{"a batch ends at its first failure", "write: each of a batch has its own outcome", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{apply: func(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
			outcomes := make([]store.Outcome, len(writes))
			failed := false
			for i, w := range writes {
				if outcomes[i].Err = store.ErrConflict; failed {
					continue
				}
				o, err := one(ctx, f, w)
				if err != nil {
					return nil, err
				}
				outcomes[i], failed = o, o.Err != nil
			}
			return outcomes, nil
		}}
	}},
	{"a batch has at most 128 writes", "write: a batch may be large", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{apply: func(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
			if len(writes) > 128 {
				return nil, errors.New("too many operations in txn request")
			}
			return f.Apply(ctx, writes)
		}}
	}},
	{"a key twice in a batch is accepted", "write: nonsense is refused and nothing of it is done", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{apply: func(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
			outcomes := make([]store.Outcome, len(writes))
			for i, w := range writes {
				o, err := one(ctx, f, w)
				if err != nil {
					return nil, err
				}
				outcomes[i] = o
			}
			return outcomes, nil
		}}
	}},
	{"values are text", "write: any bytes are a value", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			w.Value = bytes.ToValidUTF8(w.Value, []byte("?"))
			return one(ctx, f, w)
		})
	}},
	{"keys are told apart without capitals", "write: any name is a key", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			w.Key = strings.ToLower(w.Key)
			return one(ctx, f, w)
		})
	}},
	{"conditions are checked before the commit", "write: of racing creates and updates one wins", func(_ *testing.T, f *storetest.Faults) bugs {
		return each(f, func(ctx context.Context, w store.Write) (store.Outcome, error) {
			r, ok := current(ctx, f, w.Key)
			if !ok || w.Kind != store.Update || r.ModRev != w.If {
				return one(ctx, f, w)
			}
			pause()
			for {
				r, _ = current(ctx, f, w.Key)
				w.If = r.ModRev
				if o, err := one(ctx, f, w); err != nil || o.Err == nil {
					return o, err
				}
			}
		})
	}},
	{"a snapshot's revision is read after its records", "write: revisions are in the order of commits", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{list: func(ctx context.Context, prefix string) (store.Snapshot, error) {
			snap, err := f.List(ctx, prefix)
			pause()
			later, _ := f.List(ctx, prefix)
			snap.Rev = later.Rev
			return snap, err
		}}
	}},
	{"records are ordered by key", "list: is ordered by create revision, then key", func(_ *testing.T, f *storetest.Faults) bugs {
		return listed(f, func(_ string, snap *store.Snapshot) {
			slices.SortFunc(snap.Records, func(a, b store.Record) int { return cmp.Compare(a.Key, b.Key) })
		})
	}},
	{"a prefix is matched as a string", "list: a prefix matches whole segments only", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{list: func(ctx context.Context, prefix string) (store.Snapshot, error) {
			snap, err := f.List(ctx, "")
			snap.Records = slices.DeleteFunc(snap.Records, func(r store.Record) bool { return !strings.HasPrefix(r.Key, prefix) })
			return snap, err
		}}
	}},
	{"a prefix is matched without regard to capitals", "list: a prefix matches whole segments only", func(_ *testing.T, f *storetest.Faults) bugs {
		return bugs{list: func(ctx context.Context, prefix string) (store.Snapshot, error) {
			if !strings.HasSuffix(prefix, "/") {
				return f.List(ctx, prefix)
			}
			snap, err := f.List(ctx, "")
			snap.Records = slices.DeleteFunc(snap.Records, func(r store.Record) bool {
				return !strings.HasPrefix(strings.ToLower(r.Key), strings.ToLower(prefix))
			})
			return snap, err
		}}
	}},
	{"List reads a replica that lags", "list: sees what any client has written", func(_ *testing.T, f *storetest.Faults) bugs {
		last := map[string]store.Snapshot{}
		return bugs{list: func(ctx context.Context, prefix string) (store.Snapshot, error) {
			snap, err := f.List(ctx, prefix)
			if old, ok := last[prefix]; ok {
				snap, last[prefix] = old, snap
				return snap, err
			}
			last[prefix] = snap
			return snap, err
		}}
	}},
	{"a snapshot's revision is that of its newest record", "list: its revision covers every commit and never runs back", func(_ *testing.T, f *storetest.Faults) bugs {
		return listed(f, func(_ string, snap *store.Snapshot) {
			snap.Rev = 0
			for _, r := range snap.Records {
				snap.Rev = max(snap.Rev, r.ModRev)
			}
		})
	}},
	{"List gives at most 500 records", "list: reads many records", func(_ *testing.T, f *storetest.Faults) bugs {
		return listed(f, func(_ string, snap *store.Snapshot) { snap.Records = snap.Records[:min(500, len(snap.Records))] })
	}},
}, watchMutants...)
