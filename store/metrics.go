package store

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts what a store does. The zero registerer makes one that nobody reads.
type meter struct {
	requests *prometheus.CounterVec
	granted  prometheus.Counter
	lost     prometheus.Counter
	swept    prometheus.Counter
}

func newMeter(r prometheus.Registerer) *meter {
	m := &meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_store_requests_total", Help: "Requests to the coordination service, by operation and outcome.",
		}, []string{"op", "outcome"}),
		granted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_sessions_granted_total", Help: "Sessions that this process was granted.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_sessions_lost_total", Help: "Sessions that this process lost: expired, revoked or of another era.",
		}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_records_swept_total", Help: "Records of this process's sessions that were deleted because nothing stood behind them.",
		}),
	}
	if r == nil {
		return m
	}
	m.requests = shared(r, m.requests)
	m.granted, m.lost, m.swept = shared(r, m.granted), shared(r, m.lost), shared(r, m.swept)
	return m
}

// shared registers a collector, or gives the one that another store of the process registered.
func shared[C prometheus.Collector](r prometheus.Registerer, c C) C {
	err := r.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	return c
}

func (m *meter) request(op string, err error) {
	outcome := "ok"
	switch {
	case err == nil:
	case errors.Is(err, errAbandoned):
		outcome = "abandoned"
	case errors.Is(err, ErrGone):
		outcome = "gone"
	case errors.Is(err, ErrRefused):
		outcome = "refused"
	default:
		outcome = "unknown"
	}
	m.requests.WithLabelValues(op, outcome).Inc()
}
