package leadership

import (
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-go/muster/store"
)

// states is the prometheus.Collector of all flags with one subsystem. Each flag is asked at each scrape,
// so a raised state never outlives a claim.
type states struct {
	desc *prometheus.Desc

	mu    sync.Mutex
	flags map[labels][]*Flag // one that was closed stays, with nobody: its state is 0
}

type labels struct{ name, process string }

// publish adds a flag to the metric, which it registers if it is the first.
func (b *FlagBuilder) publish(f *Flag) error {
	if b.subsystem == "" {
		return nil
	}
	registerer := b.registerer
	if registerer == nil {
		registerer = prometheus.DefaultRegisterer
	}
	name := prometheus.BuildFQName("", b.subsystem, "leadership_flag_state")
	s := &states{
		desc:  prometheus.NewDesc(name, "State of the flag: 1 while it is raised in this process, else 0.", []string{"name", "process"}, nil),
		flags: map[labels][]*Flag{},
	}
	if err := registerer.Register(s); err != nil {
		there, ok := errors.AsType[prometheus.AlreadyRegisteredError](err)
		if ok {
			s, ok = there.ExistingCollector.(*states)
		}
		if !ok {
			return fmt.Errorf("the metric %s can't be registered (%w): choose another MetricsSubsystem: %w", name, err, store.ErrInvalid)
		}
	}
	s.add(f)
	return nil
}

func (s *states) add(f *Flag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := labels{f.name, f.process}
	open := s.flags[key][:0]
	for _, other := range s.flags[key] {
		if !other.closed.Load() {
			open = append(open, other)
		}
	}
	s.flags[key] = append(open, f)
}

// Describe implements prometheus.Collector.
func (s *states) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

// Collect implements prometheus.Collector.
func (s *states) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, flags := range s.flags {
		state := 0.0
		for _, f := range flags {
			if f.Raised() {
				state = 1
			}
		}
		ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, state, key.name, key.process)
	}
}
