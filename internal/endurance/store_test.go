package endurance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/sqlstore"
	"github.com/muster-go/muster/store/storetest"
)

var wall = clock.WallClock

func TestCyclesOfAStoreWithASessionLeaveNothing(t *testing.T) {
	for _, p := range places(t) {
		t.Run("opened each time, on "+p.name, func(t *testing.T) {
			run(t, p.cycles, func(int) error {
				st, err := p.open()
				if err != nil {
					return err
				}
				return errors.Join(session(st, p.ttl), st.Close())
			})
		})
		t.Run("a session on a store that stays open, on "+p.name, func(t *testing.T) {
			st := must[*store.Store](t)(p.open())
			// Only the last user of a session ends it.
			oneByOne(t, p.cycles, func(int) error { return session(st, p.ttl) })
			require.NoError(t, st.Close())
		})
		t.Run("a watch of a store that stays open, on "+p.name, func(t *testing.T) {
			st := must[*store.Store](t)(p.open())
			run(t, 1000, func(int) error { return watch(st) })
			require.NoError(t, st.Close())
		})
		t.Run("closed before the session is granted, on "+p.name, func(t *testing.T) {
			run(t, p.cycles, func(i int) error {
				st, err := p.open()
				if err != nil {
					return err
				}
				x, err := st.Session(p.ttl)
				if err != nil {
					return err
				}
				if i%2 == 0 {
					x.Close()
				}
				return st.Close()
			})
		})
	}
}

// session has a session, with a record and a hold, and gives it up.
func session(st *store.Store, ttl time.Duration) error {
	ctx, cancel := soon()
	defer cancel()
	x, err := st.Session(ttl)
	if err != nil {
		return err
	}
	defer x.Close()
	lease, err := x.Lease(ctx)
	if err != nil {
		return err
	}
	if _, err := lease.Create(ctx, fmt.Sprintf("test/%v", lease.ID()), []byte("x")); err != nil {
		return err
	}
	lease.Hold()()
	return lease.Extend(ctx, ttl/2)
}

// watch watches until the first snapshot.
func watch(st *store.Store) error {
	ctx, cancel := soon()
	defer cancel()
	err := st.Watch(ctx, "test/", func(e store.Event) {
		if e.Kind == store.EventSnapshot {
			cancel()
		}
	})
	return want(err, context.Canceled)
}

func TestCyclesOfStoresThatHangLeaveNothing(t *testing.T) {
	service := memstore.NewService(wall)
	for name, kind := range map[string]storetest.FaultKind{
		"calls never return": storetest.Hang, "calls are done too late": storetest.LateReply,
		"calls fail": storetest.Fail, "replies are lost": storetest.DropReply,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, 250, func(i int) error {
				faults := storetest.WithFaults(service.Open(), wall)
				st, err := store.New(store.Config{Driver: faults, Logger: quiet})
				if err != nil {
					return err
				}
				if i%2 == 0 {
					faults.Inject(storetest.Fault{Kind: kind})
				}
				x, err := st.Session(time.Second)
				if err != nil {
					return err
				}
				if i%2 == 1 {
					ctx, cancel := soon()
					_, err = x.Lease(ctx)
					cancel()
					faults.Inject(storetest.Fault{Kind: kind})
				}
				// What hangs ends when the driver is closed.
				return errors.Join(err, st.Close())
			})
		})
	}
}

func TestCyclesOfStartsThatFailLeaveNothing(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("this is no database, but long enough to be looked at as if it were one"), 0o600))
	openers := store.Openers{
		"sqlite": sqlstore.OpenSQLite, "etcd": etcdstore.Open,
		"refused": refusing(store.ErrUnauthorized),
	}
	for _, c := range []struct {
		name, url string
		cycles    int
	}{
		{"an unknown scheme", "sqlit:///x", 1000},
		{"a file that is no database", "sqlite://" + text, 1000},
		{"a folder that can't be made", "sqlite://" + text + "/muster.db", 1000},
		{"a parameter that nobody knows", "etcd://127.0.0.1:1/x?colour=red", 1000},
		{"a server that isn't there", "etcd://127.0.0.1:1/x", 100},
		{"a driver that refuses", "refused://x", 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, c.cycles, func(int) error {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				st, err := store.Open(ctx, c.url, openers)
				if err == nil {
					return errors.Join(errors.New("it was opened"), st.Close())
				}
				return nil
			})
		})
	}
	t.Run("a context that has ended, on every driver", func(t *testing.T) {
		all := places(t)
		over, cancel := context.WithCancel(context.Background())
		cancel()
		run(t, 300, func(i int) error {
			p := all[i%len(all)]
			st, err := store.Open(over, p.url, p.openers)
			if err == nil { // a store in memory asks nobody
				return st.Close()
			}
			return nil
		})
	})
}
