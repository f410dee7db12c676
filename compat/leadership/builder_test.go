package leadership_test

import (
	"context"
	"database/sql"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/leadership"
	"github.com/muster-go/muster/store"
)

func TestTheDefaults(t *testing.T) {
	interval, timeout, jitter, fresh, subsystem := leadership.NewFlag().Settings()
	assert.Equal(t, 30*time.Second, interval)
	assert.Equal(t, time.Second, timeout)
	assert.InDelta(t, 0.2, jitter, 0)
	assert.False(t, fresh)
	assert.Empty(t, subsystem)
}

func TestWhatIsMissingOrCannotWorkIsRefusedWithTheMend(t *testing.T) {
	complete := func() *leadership.FlagBuilder {
		return leadership.NewFlag().Logger(quiet).Handle(&sql.DB{}).Name("jobs").Process("one")
	}
	for name, c := range map[string]struct {
		b    *leadership.FlagBuilder
		says string
	}{
		"no logger":                 {complete().Logger(nil), `leadership flag "jobs": no logger: set one with Logger, for example slog.Default(): invalid`},
		"no handle":                 {complete().Handle(nil), "no database handle: set a *sql.DB with Handle"},
		"no name":                   {complete().Name(""), "no name: set the one that all processes of the group use with Name"},
		"a name with a gap":         {complete().Name("a//b"), "empty part"},
		"no process":                {complete().Process(""), "no process: set a name of this process's own with Process"},
		"a process with a #":        {complete().Process("one#2"), `the process "one#2" contains "#"`},
		"a process that isn't text": {complete().Process("one\xff"), `the process "one\xff" is not valid UTF-8`},
		"no interval":               {complete().Interval(0), "interval 0s: must be greater than 0"},
		"a negative interval":       {complete().Interval(-time.Second), "interval -1s: must be greater than 0"},
		"a negative jitter":         {complete().Jitter(-0.1), "jitter -0.1: must be between 0 and 1"},
		"a jitter above 1":          {complete().Jitter(1.1), "jitter 1.1: must be between 0 and 1"},
		"a jitter that is NaN":      {complete().Jitter(math.NaN()), "jitter NaN: must be between 0 and 1"},
		"no timeout":                {complete().Timeout(0), "timeout 0s: must be greater than 0"},
		"a negative timeout":        {complete().Timeout(-1), "timeout -1ns: must be greater than 0"},
		"a long timeout":            {complete().Timeout(30 * time.Second), "timeout 30s: must be less than the interval, 30s: make it shorter or the interval longer"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := c.b.Build(context.Background())
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
			require.Nil(t, f)
		})
	}
}

func TestJitterMayBeNoneOrAll(t *testing.T) {
	in(t, func(db *database) {
		for name, jitter := range map[string]float64{"none": 0, "all": 1} {
			f := db.build(builder(db.link(), "one").Name(name).Jitter(jitter))
			time.Sleep(2 * time.Minute)
			require.True(db, f.Raised())
		}
	})
}

func TestOneBuilderBuildsSeveralFlags(t *testing.T) {
	in(t, func(db *database) {
		b := builder(db.link(), "one")
		first, second := db.build(b.Name("first")), db.build(b.Name("second"))
		settle()
		require.True(db, first.Raised())
		require.True(db, second.Raised())
	})
}

func TestRaisedAsksNobodyAndAllocatesNothing(t *testing.T) {
	in(t, func(db *database) {
		f, link := db.flag("one")
		settle()
		link.freeze()
		require.Zero(db, testing.AllocsPerRun(100, func() { require.True(db, f.Raised()) }))
	})
}
