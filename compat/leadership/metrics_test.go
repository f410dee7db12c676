package leadership_test

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

func TestTheGaugeIsOneWhereTheFlagIsRaisedOnly(t *testing.T) {
	in(t, func(db *database) {
		registry := prometheus.NewRegistry()
		expect := func(lines ...string) {
			db.Helper()
			want := "# HELP tasks_leadership_flag_state State of the flag: 1 while it is raised in this process, else 0.\n" +
				"# TYPE tasks_leadership_flag_state gauge\n" + strings.Join(lines, "\n") + "\n"
			require.NoError(db, testutil.GatherAndCompare(registry, strings.NewReader(want)))
		}
		one := db.build(builder(db.link(), "one").MetricsSubsystem("tasks").MetricsRegisterer(registry))
		settle()
		expect(`tasks_leadership_flag_state{name="jobs",process="one"} 1`)
		two := db.build(builder(db.link(), "two").MetricsSubsystem("tasks").MetricsRegisterer(registry))
		settle()
		expect(`tasks_leadership_flag_state{name="jobs",process="one"} 1`,
			`tasks_leadership_flag_state{name="jobs",process="two"} 0`)
		require.NoError(db, one.Close())
		settle()
		require.True(db, two.Raised())
		expect(`tasks_leadership_flag_state{name="jobs",process="one"} 0`,
			`tasks_leadership_flag_state{name="jobs",process="two"} 1`)
		// The same name and process again, twice: one line, which says whether any is raised.
		require.NoError(db, two.Close())
		for range 2 {
			db.build(builder(db.link(), "one").MetricsSubsystem("tasks").MetricsRegisterer(registry))
			settle()
		}
		expect(`tasks_leadership_flag_state{name="jobs",process="one"} 1`,
			`tasks_leadership_flag_state{name="jobs",process="two"} 0`)
	})
}

func TestWithoutASubsystemThereIsNoMetric(t *testing.T) {
	in(t, func(db *database) {
		registry := prometheus.NewRegistry()
		db.build(builder(db.link(), "one").MetricsRegisterer(registry))
		settle()
		n, err := testutil.GatherAndCount(registry)
		require.NoError(db, err)
		require.Zero(db, n)
	})
}

func TestWithoutARegistererTheMetricIsInTheDefaultOne(t *testing.T) {
	in(t, func(db *database) {
		db.build(builder(db.link(), "one").MetricsSubsystem("default_registerer"))
		settle()
		n, err := testutil.GatherAndCount(prometheus.DefaultGatherer, "default_registerer_leadership_flag_state")
		require.NoError(db, err)
		require.Equal(db, 1, n)
	})
}

func TestAMetricThatCannotBeRegisteredIsAnError(t *testing.T) {
	in(t, func(db *database) {
		registry := prometheus.NewRegistry()
		registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "tasks_leadership_flag_state", Help: "somebody else's"}))
		for _, subsystem := range []string{"tasks", "not a name\xff"} {
			_, err := builder(db.link(), "one").MetricsSubsystem(subsystem).MetricsRegisterer(registry).Build(context.Background())
			require.ErrorIs(db, err, store.ErrInvalid)
			require.ErrorContains(db, err, "choose another MetricsSubsystem")
		}
		two, _ := db.flag("two")
		settle()
		require.True(db, two.Raised(), "nothing was left behind")
	})
}
