package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// latencies writes through one driver, watches through another, and gives the times from just before
// each write until it was told, in order.
func latencies(t testing.TB, writer, reader store.Driver, prefix string, n int) []time.Duration {
	t.Helper()
	w := watch(t, reader, prefix)
	var took []time.Duration
	for i := range n {
		key := fmt.Sprintf("%s%d", prefix, i)
		<-bootclock.Clock.After(time.Duration(i%7) * 10 * time.Millisecond) // not in step with the polls
		start := time.Now()
		create(t, writer, key, "")
		w.until(t, key, func(e store.Event) bool { return e.Record.Key == key })
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took
}

func TestNoticesTellOfAChangeLongBeforeThePoll(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	d := opened(t, p, 2)
	var median time.Duration
	for round := range 20 { // on a machine whose cores are all busy not each of them shows it
		took := latencies(t, d[0], d[1], fmt.Sprintf("r%d/", round), 15)
		if median = took[len(took)/2]; median < 25*time.Millisecond { // polls alone would take 50 ms
			return
		}
	}
	t.Errorf("half of the changes took longer than %v", median)
}

func TestAfterADisconnectNoticesAreHeardAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	d := opened(t, p, 1)[0]
	reader := p.open(t)
	defer func() { require.NoError(t, reader.Close()) }()
	reader.proxy.Cut()
	reader.proxy.Heal()
	var median time.Duration
	for round := range 20 { // it takes a while until it listens again
		took := latencies(t, d, reader, fmt.Sprintf("r%d/", round), 15)
		if median = took[len(took)/2]; median < 25*time.Millisecond {
			return
		}
	}
	t.Errorf("half of the changes took longer than %v", median)
}

func TestBehindAPoolerNobodyListensAndPollsTellOfChanges(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.PostgreSQL)
	pooler := servertest.Start(t, servertest.PgBouncer(server))
	p := newPlace(pooler)
	d := opened(t, p, 2)
	took := latencies(t, d[0], d[1], "a/", 10)
	require.Less(t, took[0], 30*time.Second)
	var listening int
	db := admin(t, server.Addr())
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' || $1 || '%'`, p.schema).Scan(&listening))
	require.Zero(t, listening, "what listens through a pooler disturbs who gets the connection next")
}

// At rest a driver asks a few times a second, whatever it watches.
func TestAtRestADriverAsksSeldom(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	d := opened(t, p, 1)[0]
	grant(t, d, time.Hour)
	for i := range 20 {
		watch(t, d, strings.Repeat("a", i)+"/")
	}
	require.Eventually(t, func() bool { // once it is known that notices come
		before := requests(d)
		start := time.Now()
		<-bootclock.Clock.After(2 * time.Second)
		seconds := time.Since(start).Seconds()
		return float64(requests(d)-before) <= 6*seconds+2
	}, time.Minute, time.Millisecond)
}
