package engine_test

import (
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock/testclock"
	jujuerrors "github.com/juju/errors"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

func TestASnapshotTellsEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		ends := make(chan error)
		var d diary
		e := run(t, config(), dependency.Manifolds{
			"db": starting(func() (worker.Worker, error) {
				pass(2 * second)
				o := newOdd()
				o.report = func() map[string]any { return map[string]any{"connections": 5} }
				return o, nil
			}),
			"cache": d.manifold("cache", func(dying <-chan struct{}) error {
				select {
				case err := <-ends:
					return err
				case <-dying:
					time.Sleep(second)
					return nil
				}
			}, "db"),
			"app": simple("db", "cache"),
			"web": simple("app", "db", engine.Optional("cache")),
		})
		pass(10 * second)
		ends <- assert.AnError
		pass(10 * second)
		require.NoError(t, e.Bounce("cache"))
		pass(10 * second)
		s := e.Snapshot()
		assert.Equal(t, began.Add(30*second), s.Taken)
		assert.Equal(t, engine.StateRunning, s.State)
		require.Len(t, s.Nodes, 4)

		db, found := s.Node("db")
		require.True(t, found)
		assert.Equal(t, engine.Node{
			Name: "db", State: engine.StateRunning, Dependents: []string{"app", "cache", "web"},
			Starts: 1, LastStart: began.Add(2 * second), Since: began.Add(2 * second), StartTook: 2 * second,
			Report: json.RawMessage(`{"connections":5}`),
		}, db)
		cache, _ := s.Node("cache")
		assert.Equal(t, 3, cache.Starts)
		assert.Equal(t, assert.AnError.Error(), cache.LastError)
		assert.Equal(t, began.Add(10*second), cache.LastErrorAt)
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseError: 1, engine.CauseBounce: 1}, cache.Restarts)
		assert.Equal(t, second, cache.StopTook)
		assert.Equal(t, began.Add(21*second), cache.LastStart)
		web, _ := s.Node("web")
		assert.Equal(t, []string{"app", "db", "cache"}, web.Inputs)
		assert.Equal(t, []string{"cache"}, web.Optional)
		assert.Equal(t, []string{"web"}, nodeOf(s, "app").Dependents)
		_, found = s.Node("nobody")
		assert.False(t, found)

		web.Inputs[0] = "changed" // a Snapshot is the reader's own
		assert.Equal(t, []string{"app", "db", "cache"}, node(t, e, "web").Inputs)
		e.Kill()
		require.NoError(t, e.Wait())
		s = e.Snapshot()
		assert.Equal(t, engine.StateFinished, s.State)
		for _, n := range s.Nodes {
			assert.Equal(t, "stopped with the engine", n.Explain())
		}
	})
}

func nodeOf(s engine.Snapshot, name string) engine.Node {
	n, _ := s.Node(name)
	return n
}

func TestWhySaysTheRootCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		slow := starting(func() (worker.Worker, error) { <-free; return newTask(untilKilled), nil })
		e := run(t, config(), dependency.Manifolds{
			"slow": slow,
			"db":   starting(func() (worker.Worker, error) { return nil, assert.AnError }),
			"up":   simple(),
			"app":  simple("up", "slow", "db"),
			"web":  simple("app"),
			"cron": simple("slow", "up"),
		})
		pass(50 * time.Millisecond)
		assert.Equal(t, []engine.Cause{
			{Node: "web", Reason: "waits for app"},
			{Node: "app", Reason: "waits for db"}, // what starts may yet come, what fails may not
			{Node: "db", Reason: node(t, e, "db").Why[0].Reason},
		}, node(t, e, "web").Why)
		assert.Regexp(t, `^failed: assert.AnError general error for testing; again in \d+ms$`, node(t, e, "db").Why[0].Reason)
		pass(time.Minute)
		assert.Regexp(t, `^failed \d+ times: assert.AnError general error for testing; again in \d+s$`, node(t, e, "db").Why[0].Reason)
		assert.Equal(t, []engine.Cause{
			{Node: "cron", Reason: "waits for slow"}, {Node: "slow", Reason: "starting for 1m0s"},
		}, node(t, e, "cron").Why)
		assert.Empty(t, node(t, e, "up").Why)
		close(free)
	})
}

func TestAStoppingWorkersReasonIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		e := run(t, config(), dependency.Manifolds{
			"flusher": starting(func() (worker.Worker, error) { return flusher{newTask(deaf(free))}, nil }),
		})
		assert.Empty(t, node(t, e, "flusher").Why)
		require.NoError(t, e.Bounce("flusher"))
		assert.Equal(t, "stopping: flushing 3 files", node(t, e, "flusher").Explain())
		close(free)
	})
}

// flusher has a Reason, and is no Flag.
type flusher struct{ *task }

func (flusher) Reason() string { return "flushing 3 files" }

func TestAnEngineReportsToAnEngine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		outer := run(t, config(), dependency.Manifolds{
			"inner": starting(func() (worker.Worker, error) {
				return engine.New(config(), dependency.Manifolds{"a": simple(), "b": simple("a")})
			}),
		})
		var report struct {
			State     string
			Manifolds map[string]engine.Node
		}
		require.NoError(t, json.Unmarshal(node(t, outer, "inner").Report, &report))
		assert.Equal(t, "running", report.State)
		assert.Equal(t, []string{"a"}, report.Manifolds["b"].Inputs)
		outer.Kill()
		require.NoError(t, outer.Wait())
	})
}

func TestItRunsOnATestclock(t *testing.T) {
	fake := testclock.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	conf := config()
	conf.Clock = fake
	started := make(chan time.Time, 10)
	e := run(t, conf, dependency.Manifolds{
		"bad": starting(func() (worker.Worker, error) {
			started <- fake.Now()
			return nil, assert.AnError
		}),
	})
	last := <-started
	for n := range 3 {
		var next time.Time
		require.Eventually(t, func() bool {
			fake.Advance(10 * time.Millisecond)
			select {
			case next = <-started:
				return true
			default:
				return false
			}
		}, time.Minute, time.Millisecond)
		assert.GreaterOrEqual(t, next.Sub(last), 90*time.Millisecond<<n, "the default RestartDelay doubles, less its jitter")
		last = next
	}
	e.Kill()
	require.NoError(t, e.Wait())
}

func TestMetrics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		conf := config()
		conf.Metrics = registry
		free := make(chan struct{})
		e := run(t, conf, dependency.Manifolds{
			"root": simple(),
			"a":    simple("root"),
			"bad":  starting(func() (worker.Worker, error) { return newTask(deaf(free)), nil }, "root"),
		})
		synctest.Wait()
		require.NoError(t, e.Bounce("root"))
		pass(time.Minute)
		problems, err := testutil.GatherAndLint(registry)
		require.NoError(t, err)
		assert.Empty(t, problems)
		want := map[string]float64{
			`muster_engine_starts_total{root}`: 2, `muster_engine_starts_total{a}`: 2,
			`muster_engine_restarts_total{bounce,root}`: 1, `muster_engine_restarts_total{input changed,a}`: 1,
			`muster_engine_restarts_total{own error,a}`: 0,
			`muster_engine_up{a}`:                       1, `muster_engine_up{bad}`: 0,
			`muster_engine_stuck{a}`: 0, `muster_engine_stuck{bad}`: 1,
			`muster_engine_start_seconds{}`: 5, `muster_engine_stop_seconds{}`: 2,
		}
		got := map[string]float64{}
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, family := range families {
			for _, m := range family.GetMetric() {
				labels := ""
				for i, l := range m.GetLabel() {
					if i > 0 {
						labels += ","
					}
					labels += l.GetValue()
				}
				key := family.GetName() + "{" + labels + "}"
				if _, wanted := want[key]; wanted {
					got[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
		assert.Equal(t, want, got)
		close(free)
		synctest.Wait()
		e.Kill()
		require.NoError(t, e.Wait())
		families, err = registry.Gather()
		require.NoError(t, err)
		assert.Empty(t, families, "they leave with the engine")
	})
}

func TestMetricsThatClashAreNoReasonNotToRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log lockedBuffer
		conf := config()
		conf.Metrics = prometheus.NewRegistry()
		conf.Logger = slog.New(slog.NewTextHandler(&log, nil))
		run(t, conf, nil)
		e := run(t, conf, dependency.Manifolds{"a": simple()})
		assert.Equal(t, engine.StateRunning, node(t, e, "a").State)
		assert.Contains(t, log.String(), "no metrics")
	})
}

func TestTheZeroConfigWorks(t *testing.T) {
	e, err := engine.New(engine.Config{}, nil)
	require.NoError(t, err)
	e.Kill()
	e.Kill()
	require.NoError(t, e.Wait())
	require.NoError(t, e.Wait())
}

func TestAConfigThatCantWorkIsRefused(t *testing.T) {
	for text, c := range map[string]engine.Config{
		"StopTimeout -1s is negative":                          {StopTimeout: -second},
		"RestartDelay -1s is negative":                         {RestartDelay: -second},
		"MaxRestartDelay -1s is negative":                      {MaxRestartDelay: -second},
		"MaxRestartDelay 1ms is below the RestartDelay 100ms":  {MaxRestartDelay: time.Millisecond},
		"MaxRestartDelay 1s is below the RestartDelay 2s: rai": {RestartDelay: 2 * second, MaxRestartDelay: second},
	} {
		_, err := engine.New(c, nil)
		require.ErrorContains(t, err, text)
		require.ErrorIs(t, err, jujuerrors.NotValid)
	}
	require.NoError(t, engine.Config{RestartDelay: time.Hour}.Validate())
}

func TestNewRefusesWhatCheckRefusesAndStartsNothing(t *testing.T) {
	_, err := engine.New(config(), dependency.Manifolds{
		"a": starting(func() (worker.Worker, error) {
			t.Error("started")
			return nil, assert.AnError
		}),
		"b": simple("c"),
	})
	require.Error(t, err)
}
