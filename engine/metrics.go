package engine

import (
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// histograms are observed as things happen; both are nil-free.
type histograms struct {
	start, stop prometheus.Histogram
}

// metrics is an engine's prometheus.Collector. All but the histograms is read from the graph at each
// scrape.
type metrics struct {
	g     *graph
	times *histograms

	starts, restarts, up, stuck *prometheus.Desc
}

// newMetrics registers the metrics. A clash of names is logged: metrics are no reason not to run.
func newMetrics(g *graph) *metrics {
	if g.config.Metrics == nil {
		return nil
	}
	buckets := prometheus.ExponentialBuckets(0.001, 4, 9) // 1 ms to 65 s
	m := &metrics{
		g: g,
		times: &histograms{
			start: prometheus.NewHistogram(prometheus.HistogramOpts{
				Name: "muster_engine_start_seconds", Help: "How long Starts that gave a worker took.", Buckets: buckets,
			}),
			stop: prometheus.NewHistogram(prometheus.HistogramOpts{
				Name: "muster_engine_stop_seconds", Help: "How long workers took from Kill to their end.", Buckets: buckets,
			}),
		},
		starts: prometheus.NewDesc("muster_engine_starts_total",
			"Workers started.", []string{"manifold"}, nil),
		restarts: prometheus.NewDesc("muster_engine_restarts_total",
			"Starts after the first, tried or done, by cause: own error, input changed, bounce.", []string{"manifold", "cause"}, nil),
		up: prometheus.NewDesc("muster_engine_up",
			"1 while the manifold's worker runs, else 0.", []string{"manifold"}, nil),
		stuck: prometheus.NewDesc("muster_engine_stuck",
			"1 while the manifold's worker ignores Kill or its Start doesn't return, else 0.", []string{"manifold"}, nil),
	}
	if err := g.config.Metrics.Register(m); err != nil {
		g.config.Logger.Warn("the engine has no metrics: they can't be registered; engines that share a registry need a label each, by prometheus.WrapRegistererWith", "error", err)
		return nil
	}
	g.times = m.times
	return m
}

func (m *metrics) unregister() {
	if m != nil {
		m.g.config.Metrics.Unregister(m)
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.starts
	ch <- m.restarts
	ch <- m.up
	ch <- m.stuck
	m.times.start.Describe(ch)
	m.times.stop.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.g.mu.Lock()
	nodes := make([]node, len(m.g.order))
	for i, n := range m.g.order {
		nodes[i] = *n
	}
	m.g.mu.Unlock()
	for i := range nodes {
		n := &nodes[i]
		name := n.name
		if !utf8.ValidString(name) { // Prometheus would refuse all
			name = visible(name)
		}
		ch <- prometheus.MustNewConstMetric(m.starts, prometheus.CounterValue, float64(n.starts), name)
		for c, count := range n.restarts {
			ch <- prometheus.MustNewConstMetric(m.restarts, prometheus.CounterValue, float64(count), name, string(cause(c).public()))
		}
		ch <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, gauge(n.state == StateRunning), name)
		ch <- prometheus.MustNewConstMetric(m.stuck, prometheus.GaugeValue, gauge(n.state == StateStuck), name)
	}
	m.times.start.Collect(ch)
	m.times.stop.Collect(ch)
}

func gauge(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
