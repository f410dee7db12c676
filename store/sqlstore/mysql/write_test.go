package mysql_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	client "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

// patience bounds every wait in real time: far beyond what anything takes.
const patience = time.Minute

func create(key string) []store.Write {
	return []store.Write{{Kind: store.Create, Key: key, Value: []byte(key)}}
}

func TestTwoHundredWritersTakeRevisionsWithoutGapsInTheOrderOfTheirCommits(t *testing.T) {
	t.Parallel()
	const writers, clients = 200, 4
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	var drivers []store.Driver
	for range clients {
		d := open(t, p.url(p.addr))
		defer func() { _ = d.Close() }()
		drivers = append(drivers, d)
	}
	first, err := drivers[0].Apply(t.Context(), create("first"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var told []uint64
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = drivers[0].Watch(ctx, "w/", func(e store.Event) {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range e.Records {
				told = append(told, r.CreateRev)
			}
			if e.Kind == store.EventPut {
				told = append(told, e.Record.CreateRev)
			}
		})
	})
	revs := make([]uint64, writers)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			outcomes, err := drivers[i%clients].Apply(t.Context(), create(fmt.Sprintf("w/%d", i)))
			if assert.NoError(t, err) && assert.NoError(t, outcomes[0].Err) {
				revs[i] = outcomes[0].Rev
			}
		})
	}
	all.Wait()
	slices.Sort(revs)
	for i, rev := range revs {
		require.Equal(t, first[0].Rev+1+uint64(i), rev)
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told) == writers
	}, patience, 10*time.Millisecond)
	cancel()
	watching.Wait()
	require.Equal(t, revs, told, "a watch tells them in that order")
}

func TestAReplyThatIsLostToACrashAfterTheCommitIsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.MariaDB)
	p := newPlace(t, server)
	d := p.open(t)
	defer func() { _ = d.Close() }()
	other := open(t, p.url(p.addr))
	defer func() { _ = other.Close() }()
	d.proxy.HoldReplies()
	failed := make(chan error, 1)
	go func() {
		_, err := d.Apply(context.Background(), create("a"))
		failed <- err
	}()
	there := func() bool {
		snapshot, err := other.List(context.Background(), "a")
		return err == nil && len(snapshot.Records) == 1
	}
	require.Eventually(t, there, patience, 5*time.Millisecond)
	server.Stop()
	d.proxy.Cut() // what it holds is lost
	d.proxy.Heal()
	err := <-failed
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, store.ErrGone)
	server.Start()
	require.Eventually(t, there, patience, 10*time.Millisecond, "what was committed is kept through a crash")
}

// Each isolation that a handle can have, and what else decides what a statement sees.
var views = map[string]map[string]string{
	"REPEATABLE READ":                   {"tx_isolation": "'REPEATABLE-READ'"},
	"REPEATABLE READ, and its checks":   {"tx_isolation": "'REPEATABLE-READ'", "innodb_snapshot_isolation": "1"},
	"READ COMMITTED":                    {"tx_isolation": "'READ-COMMITTED'"},
	"SERIALIZABLE":                      {"tx_isolation": "'SERIALIZABLE'"},
	"transactions that chain when done": {"completion_type": "'CHAIN'"},
	"another grammar":                   {"sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES'"},
}

func TestAWriteThatWaitedForTheLockDecidesByWhatIsThereAfterwards(t *testing.T) {
	t.Parallel()
	for name, params := range views {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
			admin := handle(t, p.addr, p.database, nil)
			db := handle(t, p.addr, p.database, func(c *client.Config) { c.Params = params })
			d, err := sqlstore.New(t.Context(), db, sqlstore.Config{})
			require.NoError(t, err)
			defer func() { _ = d.Close() }()
			id, err := d.Grant(t.Context(), time.Minute)
			require.NoError(t, err)
			dead, err := d.Grant(t.Context(), time.Minute)
			require.NoError(t, err)
			outcomes, err := d.Apply(t.Context(), []store.Write{
				{Kind: store.Create, Key: "changed"}, {Kind: store.Create, Key: "dropped", Session: id}, {Kind: store.Create, Key: "kept", Session: id},
			})
			require.NoError(t, err)
			rev := outcomes[0].Rev

			// Somebody else holds the lock, and changes what the writes are about.
			tx, err := admin.Begin()
			require.NoError(t, err)
			defer func() { _ = tx.Rollback() }()
			var locked uint64
			require.NoError(t, tx.QueryRow("SELECT rev FROM muster_meta WHERE one = 1 FOR UPDATE").Scan(&locked))
			type answer struct {
				outcomes []store.Outcome
				err      error
			}
			answers := make(chan answer, 1)
			go func() {
				outcomes, err := d.Apply(context.Background(), []store.Write{
					{Kind: store.Create, Key: "created"},
					{Kind: store.Update, Key: "changed", If: rev, Value: []byte("late")},
					{Kind: store.Delete, Key: "dropped", If: rev},
					{Kind: store.Update, Key: "kept", If: rev, Value: []byte("new"), Session: id},
					{Kind: store.Create, Key: "owned", Session: dead},
				})
				answers <- answer{outcomes, err}
			}()
			waiting(t, admin, p.database)
			require.NoError(t, d.Renew(t.Context(), id), "renewals don't wait for the lock")
			for _, statement := range []string{
				"INSERT INTO muster_records VALUES ('created', 'first', 100, 100, '')",
				"UPDATE muster_records SET mod_rev = 100 WHERE name = 'changed'",
				"DELETE FROM muster_records WHERE name = 'dropped'",
				"DELETE FROM muster_sessions WHERE id = '" + string(dead) + "'",
				"UPDATE muster_meta SET rev = 100",
			} {
				_, err := tx.Exec(statement)
				require.NoError(t, err, statement)
			}
			require.NoError(t, tx.Commit())
			a := <-answers
			require.NoError(t, a.err)
			require.ErrorIs(t, a.outcomes[0].Err, store.ErrConflict)
			require.ErrorIs(t, a.outcomes[1].Err, store.ErrConflict)
			require.ErrorIs(t, a.outcomes[2].Err, store.ErrConflict)
			require.NoError(t, a.outcomes[3].Err)
			require.Equal(t, uint64(101), a.outcomes[3].Rev)
			require.ErrorIs(t, a.outcomes[4].Err, store.ErrSessionGone)
			// And it is committed, for all to see.
			var value string
			require.NoError(t, admin.QueryRow("SELECT value FROM muster_records WHERE name = 'kept'").Scan(&value))
			require.Equal(t, "new", value)
			require.NoError(t, d.Renew(t.Context(), id))
			var renewals int
			require.NoError(t, admin.QueryRow("SELECT renewals FROM muster_sessions WHERE id = ?", string(id)).Scan(&renewals))
			require.Equal(t, 2, renewals)
		})
	}
}

// waiting waits until a statement of the database waits for a lock, and gives the thread that does.
func waiting(t testing.TB, admin *sql.DB, database string) (thread int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return admin.QueryRow(`SELECT id FROM information_schema.processlist
			WHERE db = ? AND command = 'Query' AND time_ms > 100 AND id <> CONNECTION_ID()`, database).Scan(&thread) == nil
	}, patience, 5*time.Millisecond)
	return thread
}

func TestAWriteThatIsKilledLeavesNoLock(t *testing.T) {
	t.Parallel()
	for _, kill := range []string{"KILL QUERY", "KILL CONNECTION"} {
		t.Run(kill, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
			admin := handle(t, p.addr, p.database, nil)
			d := open(t, p.url(p.addr))
			defer func() { _ = d.Close() }()
			outcomes, err := d.Apply(t.Context(), create("a"))
			require.NoError(t, err)
			// It is to have the lock of meta, and to wait for another one.
			tx, err := admin.Begin()
			require.NoError(t, err)
			defer func() { _ = tx.Rollback() }()
			_, err = tx.Exec("UPDATE muster_records SET value = 'x' WHERE name = 'a'")
			require.NoError(t, err)
			failed := make(chan error, 1)
			go func() {
				_, err := d.Apply(context.Background(), []store.Write{{Kind: store.Delete, Key: "a", If: outcomes[0].Rev}})
				failed <- err
			}()
			run(t, admin, fmt.Sprintf("%s %d", kill, waiting(t, admin, p.database)))
			err = <-failed
			require.Error(t, err)
			require.NotErrorIs(t, err, store.ErrGone)
			outcomes, err = d.Apply(t.Context(), create("b"))
			require.NoError(t, err)
			require.Equal(t, uint64(2), outcomes[0].Rev, "nothing took the revision between")
		})
	}
}

func TestAClientThatIsCutOffInTheMidstOfItsWritesHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	other := open(t, p.url(p.addr))
	defer func() { _ = other.Close() }()
	for round := range 10 {
		d := p.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					_, _ = d.Apply(ctx, create(fmt.Sprintf("%d/%d/%d", round, w, i)))
				}
			})
		}
		require.Eventually(t, func() bool {
			snapshot, err := other.List(t.Context(), fmt.Sprintf("%d/", round))
			return err == nil && len(snapshot.Records) > 10
		}, patience, time.Millisecond)
		d.proxy.BlackHole()
		for i := range 5 {
			within, done := context.WithTimeout(t.Context(), 10*time.Second) // the server's own limit is 50 s
			_, err := other.Apply(within, create(fmt.Sprintf("other/%d/%d", round, i)))
			done()
			require.NoError(t, err)
		}
		cancel()
		writers.Wait()
		require.NoError(t, d.Close())
	}
}

func TestABatchThatNoMessageHoldsIsSentInSeveral(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	d := open(t, p.url(p.addr))
	defer func() { _ = d.Close() }()
	first, err := d.Apply(t.Context(), create("7"))
	require.NoError(t, err)
	value := bytes.Repeat([]byte{0, '\'', '\\', 0xff}, d.Limits().MaxValue/4)
	var writes []store.Write
	for i := range 10 {
		writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprint(i), Value: value})
	}
	outcomes, err := d.Apply(t.Context(), writes)
	require.NoError(t, err)
	for i, o := range outcomes {
		if i == 7 {
			require.ErrorIs(t, o.Err, store.ErrConflict)
			continue
		}
		require.NoError(t, o.Err)
		require.Greater(t, o.Rev, first[0].Rev)
		snapshot, err := d.List(t.Context(), fmt.Sprint(i))
		require.NoError(t, err)
		require.True(t, bytes.Equal(value, snapshot.Records[0].Value))
		require.Equal(t, o.Rev, snapshot.Records[0].ModRev)
	}
	_, err = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "large", Value: append(value, 1)}})
	require.ErrorIs(t, err, store.ErrInvalid)
}

func TestKeysDifferByEveryByte(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	d := open(t, p.url(p.addr))
	defer func() { _ = d.Close() }()
	keys := []string{"a", "A", "a ", "a  ", "a'", `a\`, `a"`, "a%", "a_", "a;--", "a`", string(bytes.Repeat([]byte("k"), 1500))}
	for _, key := range keys {
		outcomes, err := d.Apply(t.Context(), create(key))
		require.NoError(t, err, key)
		require.NoError(t, outcomes[0].Err, key)
	}
	for _, key := range keys {
		snapshot, err := d.List(t.Context(), key)
		require.NoError(t, err)
		require.Len(t, snapshot.Records, 1)
		require.Equal(t, key, string(snapshot.Records[0].Value))
	}
	_, err := d.Apply(t.Context(), create(string(bytes.Repeat([]byte("k"), 1501))))
	require.ErrorIs(t, err, store.ErrInvalid)
}

func TestAFrozenServerHoldsUpNeitherCallsNorClose(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.MariaDB)
	p := newPlace(t, server)
	d := open(t, p.url(p.addr))
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	server.Freeze()
	defer server.Thaw()
	calls := map[string]func(context.Context) error{
		"apply": func(ctx context.Context) error { _, err := d.Apply(ctx, create("a")); return err },
		"list":  func(ctx context.Context) error { _, err := d.List(ctx, ""); return err },
		"owned": func(ctx context.Context) error { _, err := d.Owned(ctx, id); return err },
		"renew": func(ctx context.Context) error { return d.Renew(ctx, id) },
		"grant": func(ctx context.Context) error { _, err := d.Grant(ctx, time.Minute); return err },
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.Less(t, time.Since(began), 20*time.Second, name)
	}
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(patience):
		require.Fail(t, "Close waits for a frozen server")
	}
}

func TestManyOpenersMakeTheTablesTogether(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			d, err := tryOpen(p.url(p.addr))
			if err == nil {
				err = d.Close()
			}
			errs[i] = err
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}
