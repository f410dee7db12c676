package engine_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

// TestAStormOfChangesEndsInOrder changes an engine from many goroutines at once, outside of a bubble,
// where goroutines really run in parallel.
func TestAStormOfChangesEndsInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	names, inputs := randomGraph(rng, 30)
	manifolds := dependency.Manifolds{}
	for _, name := range names {
		manifolds[name] = starting(func() (worker.Worker, error) {
			o := newOdd()
			o.report = func() map[string]any { return map[string]any{"name": name} }
			return o, nil
		}, inputs[name]...)
	}
	conf := config()
	conf.RestartDelay = time.Microsecond
	e, err := engine.New(conf, manifolds)
	require.NoError(t, err)

	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(i)))
			extra := fmt.Sprintf("extra%d", i)
			for range 300 {
				switch rng.IntN(6) {
				case 0:
					e.Snapshot()
				case 1:
					if e.Install(extra, simple(names[rng.IntN(len(names))])) == nil {
						_ = e.Uninstall(extra)
					}
				default:
					_ = e.Bounce(names[rng.IntN(len(names))])
				}
			}
		})
	}
	all.Wait()
	require.Eventually(t, func() bool { return running(e.Snapshot()) == len(names) }, time.Minute, time.Millisecond)
	e.Kill()
	require.NoError(t, e.Wait())
}

func running(s engine.Snapshot) int {
	n := 0
	for _, node := range s.Nodes {
		if node.State == engine.StateRunning {
			n++
		}
	}
	return n
}
