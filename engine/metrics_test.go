package engine_test

import (
	"testing"

	"github.com/juju/worker/v4/dependency"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANameThatIsntUTF8SpoilsNoMetrics(t *testing.T) {
	conf := config()
	registry := prometheus.NewPedanticRegistry()
	conf.Metrics = registry
	run(t, conf, dependency.Manifolds{"a\xff": simple(), "a\xfe": simple()})
	n, err := testutil.GatherAndCount(registry, "muster_engine_up")
	require.NoError(t, err)
	assert.Equal(t, 2, n)
}

// early is a Registerer whose collectors are scraped at once.
type early struct {
	prometheus.Registerer
	up int
}

func (r *early) Register(c prometheus.Collector) error {
	r.up = testutil.CollectAndCount(c, "muster_engine_up")
	return r.Registerer.Register(c)
}

func TestAScrapeFindsAllManifoldsFromTheBeginning(t *testing.T) {
	conf := config()
	registry := &early{Registerer: prometheus.NewRegistry()}
	conf.Metrics = registry
	run(t, conf, dependency.Manifolds{"a": simple(), "b": simple("a")})
	assert.Equal(t, 2, registry.up, "nothing is added while it is read")
}

func TestTwoEnginesShareARegistryWithALabelEach(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"one", "two"} {
		conf := config()
		conf.Metrics = prometheus.WrapRegistererWith(prometheus.Labels{"engine": name}, registry)
		e := run(t, conf, dependency.Manifolds{"a": simple()})
		defer func() {
			e.Kill()
			require.NoError(t, e.Wait())
			_, err := registry.Gather()
			require.NoError(t, err)
		}()
	}
	n, err := testutil.GatherAndCount(registry, "muster_engine_up")
	require.NoError(t, err)
	assert.Equal(t, 2, n)
}
