package leadership_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/proctest"
	"github.com/muster-go/muster/store"
)

func TestADatabaseThatHangsAndIgnoresItsContextsLowersTheFlagBeforeAnotherIsRaised(t *testing.T) {
	in(t, func(db *database) {
		one, link := db.flag("one")
		settle()
		require.True(db, one.Raised())
		two, _ := db.flag("two")
		settle()
		require.False(db, two.Raised())
		link.freeze()
		frozen := time.Now()
		for !two.Raised() {
			require.Less(db, time.Since(frozen), ttl+2*time.Second)
			time.Sleep(5 * time.Millisecond)
			require.False(db, one.Raised() && two.Raised(), "two leaders %v after the connection froze", time.Since(frozen))
		}
		link.heal()
		time.Sleep(10 * ttl)
		require.False(db, one.Raised(), "a late answer raised it")
		require.True(db, two.Raised())
		require.NoError(db, two.Close())
		settle()
		require.True(db, one.Raised(), "it stands again after the connection came back")
	})
}

func TestAFlagIsNeverRaisedBeyondItsClaimAfterASuspend(t *testing.T) {
	in(t, func(db *database) {
		one, link := db.flag("one")
		settle()
		require.True(db, one.Raised())
		link.freeze()
		// Nothing of the process runs meanwhile but this: the end of the claim is compared with Now.
		time.Sleep(ttl)
		require.False(db, one.Raised())
	})
}

func TestATimeoutThatIsNotBelowTheIntervalIsRefused(t *testing.T) {
	in(t, func(db *database) {
		for _, timeout := range []time.Duration{30 * time.Second, time.Minute} {
			_, err := builder(db.link(), "one").Timeout(timeout).Build(context.Background())
			require.ErrorIs(db, err, store.ErrInvalid)
			require.ErrorContains(db, err, "less than the interval, 30s")
		}
	})
}

func TestAContenderWithAShorterIntervalWaitsForTheHoldersClaim(t *testing.T) {
	in(t, func(db *database) {
		one, link := db.flag("one")
		settle()
		require.True(db, one.Raised())
		two := db.build(builder(db.link(), "two").Interval(2 * time.Second))
		time.Sleep(time.Minute)
		link.freeze()
		frozen := time.Now()
		for !two.Raised() {
			time.Sleep(10 * time.Millisecond)
			require.False(db, one.Raised() && two.Raised())
		}
		// The latest renewal was at most 0.15 TTL earlier.
		require.Greater(db, time.Since(frozen), ttl*85/100-10*time.Millisecond)
		require.False(db, one.Raised())
	})
}

func TestTwoProcessesOfOneNameAreTwoCandidates(t *testing.T) {
	in(t, func(db *database) {
		one, _ := db.flag("same")
		two, _ := db.flag("same")
		settle()
		require.True(db, one.Raised() != two.Raised())
		for range 10_000 {
			time.Sleep(10 * time.Millisecond)
			require.True(db, one.Raised() != two.Raised())
		}
	})
}

func TestCloseLowersBeforeTheClaimIsReleased(t *testing.T) {
	in(t, func(db *database) {
		registry := prometheus.NewRegistry()
		link := db.link()
		one := db.build(builder(link, "one").MetricsSubsystem("tasks").MetricsRegisterer(registry))
		settle()
		require.True(db, one.Raised())
		two, _ := db.flag("two")
		settle()
		link.freeze() // the release can't get through
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = one.Close()
		}()
		synctest.Wait()
		require.False(db, one.Raised(), "it is lowered at once")
		require.Zero(db, testutil.ToFloat64(gather{registry}), "and so says the metric")
		require.False(db, two.Raised())
		began := time.Now()
		<-closed
		require.Less(db, time.Since(began), 8*time.Second, "Close doesn't wait for a database that hangs")
		link.heal()
		for !two.Raised() {
			time.Sleep(time.Millisecond)
			require.False(db, one.Raised())
			require.Less(db, time.Since(began), ttl+2*time.Second)
		}
	})
}

func TestCloseReleasesTheClaimForTheNextProcess(t *testing.T) {
	in(t, func(db *database) {
		one, _ := db.flag("one")
		settle()
		two, _ := db.flag("two")
		settle()
		require.NoError(db, one.Close())
		require.False(db, one.Raised())
		settle()
		require.True(db, two.Raised(), "at once, not after the TTL")
	})
}

func TestCloseIsIdempotentFromManyGoroutines(t *testing.T) {
	in(t, func(db *database) {
		one, _ := db.flag("one")
		settle()
		closed := make(chan error)
		for range 8 {
			go func() { closed <- one.Close() }()
		}
		for range 8 {
			require.NoError(db, <-closed)
		}
		require.NoError(db, one.Close())
		require.False(db, one.Raised())
	})
}

func TestAFlagThatWasClosedNeverStandsAgain(t *testing.T) {
	in(t, func(db *database) {
		one, _ := db.flag("one")
		settle()
		require.NoError(db, one.Close())
		time.Sleep(10 * ttl)
		require.False(db, one.Raised())
		two, _ := db.flag("two")
		settle()
		require.True(db, two.Raised())
	})
}

func TestBuildWithAContextThatEndsLeavesNothingBehind(t *testing.T) {
	in(t, func(db *database) {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := builder(db.link(), "one").Build(ended)
		require.ErrorIs(db, err, context.Canceled)

		link := db.link()
		link.freeze()
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		go func() { // the database comes back while Build gives up
			time.Sleep(501 * time.Millisecond)
			link.heal()
		}()
		_, err = builder(link, "one").Build(ctx)
		require.ErrorIs(db, err, context.DeadlineExceeded)
		two, _ := db.flag("two")
		settle()
		require.True(db, two.Raised(), "nobody stands before it")
	})
}

func TestAfterAnOutageOfAnyLengthTheFlagIsRaisedAgain(t *testing.T) {
	for _, outage := range []time.Duration{ttl / 2, ttl + time.Second, 100 * ttl} {
		in(t, func(db *database) {
			one, link := db.flag("one")
			settle()
			require.True(db, one.Raised())
			link.fail(errors.New("connection refused"))
			time.Sleep(outage)
			require.Equal(db, outage < ttl, one.Raised())
			link.heal()
			time.Sleep(2 * ttl)
			require.True(db, one.Raised())
		})
	}
}

func TestADatabaseThatIsUnreachableAtTheStartIsTriedForEver(t *testing.T) {
	in(t, func(db *database) {
		link := db.link()
		link.fail(errors.New("connection refused"))
		began := time.Now()
		one := db.build(builder(link, "one"))
		require.LessOrEqual(db, time.Since(began), time.Second, "Build doesn't wait for it")
		time.Sleep(time.Hour)
		require.False(db, one.Raised())
		link.heal()
		time.Sleep(time.Minute)
		require.True(db, one.Raised())
	})
}

func TestBuildSaysWhatTryingAgainCannotMend(t *testing.T) {
	in(t, func(db *database) {
		link := db.link()
		link.fail(store.ErrUnauthorized)
		_, err := builder(link, "one").Build(context.Background())
		require.ErrorIs(db, err, store.ErrUnauthorized)
	})
}

func TestPermissionsThatAreTakenAwayAndGivenBackRaiseTheFlagAgain(t *testing.T) {
	in(t, func(db *database) {
		one, link := db.flag("one")
		settle()
		require.True(db, one.Raised())
		link.fail(store.ErrUnauthorized)
		time.Sleep(2 * ttl)
		require.False(db, one.Raised())
		link.heal()
		time.Sleep(2 * ttl)
		require.True(db, one.Raised())
	})
}

func TestFlagsOfOtherNamesAreOthers(t *testing.T) {
	in(t, func(db *database) {
		scout := db.build(builder(db.link(), "one").Name("scout"))
		settle()
		europe := db.build(builder(db.link(), "two").Name("scout-eu"))
		settle()
		assert.True(db, scout.Raised())
		assert.True(db, europe.Raised())
	})
}

func TestAnEmptyDatabaseHasNoLeaderUntilALivingOneMustHaveHeard(t *testing.T) {
	in(t, func(db *database) {
		var log proctest.Output
		one := db.build(builder(db.link(), "one").Fresh(false).Logger(slog.New(slog.NewTextHandler(&log, nil))))
		time.Sleep(ttl * 3 / 2)
		require.False(db, one.Raised())
		require.Equal(db, 1, strings.Count(log.String(), "can't be raised yet"), "it says so, once")
		require.Contains(db, log.String(), "nobody leads for 56.05")
		time.Sleep(2 * time.Second)
		require.True(db, one.Raised())
		require.NoError(db, one.Close())
		two := db.build(builder(db.link(), "two").Fresh(false))
		settle()
		require.True(db, two.Raised(), "only once")
	})
}

// gather is a collector of what a registry gathers, for testutil.
type gather struct{ *prometheus.Registry }

func (g gather) Describe(chan<- *prometheus.Desc) {}
