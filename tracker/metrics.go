package tracker

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// The outcomes of a Claim.
const (
	outcomeGranted = iota
	outcomeDenied
	outcomeError
	outcomeHung
	outcomes
)

var outcomeNames = [outcomes]string{"granted", "denied", "error", "hung"}

// metrics is a tracker's prometheus.Collector. Whether it leads is asked at each scrape, so the
// gauge never outlives the lease.
type metrics struct {
	w           *Worker
	registered  bool
	claims      [outcomes]atomic.Uint64
	transitions atomic.Uint64

	leaderDesc, claimsDesc, transitionsDesc *prometheus.Desc
}

// newMetrics registers the metrics. A clash of names is logged: metrics are no reason not to run.
func newMetrics(w *Worker) *metrics {
	labels := prometheus.Labels{"election": w.config.Candidate.Name, "holder": w.config.Candidate.Holder}
	m := &metrics{
		w: w,
		leaderDesc: prometheus.NewDesc("muster_tracker_leader",
			"1 while leadership is guaranteed, else 0.", nil, labels),
		claimsDesc: prometheus.NewDesc("muster_tracker_claims_total",
			"Claims and renewals by outcome; one that hung is counted again if it returns.", []string{"outcome"}, labels),
		transitionsDesc: prometheus.NewDesc("muster_tracker_transitions_total",
			"Times that leadership was gained or lost.", nil, labels),
	}
	if w.config.Metrics == nil {
		return m
	}
	if err := w.config.Metrics.Register(m); err != nil {
		w.config.Logger.Warn("tracker has no metrics: they can't be registered", "error", err)
		return m
	}
	m.registered = true
	return m
}

func (m *metrics) count(outcome int) { m.claims[outcome].Add(1) }

func (m *metrics) unregister() {
	if m.registered {
		m.w.config.Metrics.Unregister(m)
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.leaderDesc
	ch <- m.claimsDesc
	ch <- m.transitionsDesc
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	leader := 0.0
	if _, _, ok := m.w.Leadership(); ok {
		leader = 1
	}
	ch <- prometheus.MustNewConstMetric(m.leaderDesc, prometheus.GaugeValue, leader)
	for outcome, name := range outcomeNames {
		ch <- prometheus.MustNewConstMetric(m.claimsDesc, prometheus.CounterValue, float64(m.claims[outcome].Load()), name)
	}
	ch <- prometheus.MustNewConstMetric(m.transitionsDesc, prometheus.CounterValue, float64(m.transitions.Load()))
}
