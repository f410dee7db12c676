package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

// The benchmarks run the same manifolds under this engine and under juju's own, one after the other
// in each iteration. x-bare is the median of the ratios of ours to juju's.
const (
	benchLayers = 10
	benchSize   = 1000
	benchInputs = 3
	benchDelay  = time.Millisecond // before a restart, in both
)

// field is a set of manifolds in layers: a root, which all stand on in the end, and below it layers
// of workers with some inputs each, of the layer above. A generation is a worker of the root and all
// that stands on it; it is full when it has everything at once.
type field struct {
	manifolds dependency.Manifolds
	full      chan int // generations, as they become full (a bounce makes one full again)

	mu    sync.Mutex
	roots int // started so far
	root  *plant
	up    map[int]int // by generation
}

func newField() *field {
	f := &field{manifolds: dependency.Manifolds{}, full: make(chan int, 100), up: map[int]int{}}
	above := []string{"root"}
	f.manifolds["root"] = f.manifold(nil)
	width := (benchSize - 1) / (benchLayers - 1)
	for layer := 1; layer < benchLayers; layer++ {
		row := make([]string, width)
		for i := range row {
			row[i] = fmt.Sprintf("layer-%d-%03d", layer, i)
			var inputs []string
			for k := range min(benchInputs, len(above)) {
				inputs = append(inputs, above[(i+k*37)%len(above)])
			}
			f.manifolds[row[i]] = f.manifold(inputs)
		}
		above = row
	}
	return f
}

func (f *field) manifold(inputs []string) dependency.Manifold {
	return dependency.Manifold{
		Inputs: inputs,
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			generation := -1
			for _, input := range inputs {
				var in *plant
				if err := getter.Get(input, &in); err != nil {
					return nil, err
				}
				if generation < 0 || in.generation < generation {
					generation = in.generation
				}
			}
			return f.plant(generation), nil
		},
		Output: func(in worker.Worker, out any) error {
			*out.(**plant) = in.(*plant)
			return nil
		},
	}
}

// plant starts a worker; a generation below 0 is a new one.
func (f *field) plant(generation int) *plant {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &plant{field: f, generation: generation, killed: make(chan struct{}), failed: make(chan error, 1)}
	if generation < 0 {
		f.roots++
		p.generation = f.roots
		f.root = p
	}
	if f.up[p.generation]++; f.up[p.generation] == len(f.manifolds) {
		select {
		case f.full <- p.generation:
		default: // nobody waits for it
		}
	}
	return p
}

// await waits until a generation is full.
func (f *field) await(b *testing.B, generation int) {
	for deadline := time.After(time.Minute); ; {
		select {
		case g := <-f.full:
			if g == generation {
				return
			}
		case <-deadline:
			b.Fatalf("generation %d isn't full after a minute", generation)
		}
	}
}

// fail makes the worker of the root fail, and gives the generation that comes after it.
func (f *field) fail(err error) (next int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.root.failed <- err
	return f.root.generation + 1
}

// plant is a worker with as little to it as can be.
type plant struct {
	field      *field
	generation int
	once       sync.Once
	killed     chan struct{}
	failed     chan error
}

func (p *plant) Kill() { p.once.Do(func() { close(p.killed) }) }

func (p *plant) Wait() (err error) {
	select {
	case <-p.killed:
	case err = <-p.failed:
	}
	p.field.mu.Lock()
	defer p.field.mu.Unlock()
	p.field.up[p.generation]--
	return err
}

func (p *plant) Report() map[string]any { return map[string]any{"generation": p.generation} }

// ours runs the field under this engine.
func ours(b testing.TB, f *field) worker.Worker {
	e, err := engine.New(engine.Config{
		Clock: clock.WallClock, Logger: slog.New(slog.DiscardHandler), RestartDelay: benchDelay, MaxRestartDelay: benchDelay,
	}, f.manifolds)
	require.NoError(b, err)
	return e
}

// bare runs it under juju's.
func bare(b testing.TB, f *field) worker.Worker {
	e, err := dependency.NewEngine(dependency.EngineConfig{
		IsFatal:    func(error) bool { return false },
		WorstError: func(err, _ error) error { return err },
		ErrorDelay: benchDelay, BounceDelay: benchDelay,
		Clock: clock.WallClock, Metrics: dependency.DefaultMetrics(), Logger: silent{},
	})
	require.NoError(b, err)
	require.NoError(b, dependency.Install(e, f.manifolds))
	return e
}

type silent struct{}

func (silent) Tracef(string, ...any) {}
func (silent) Debugf(string, ...any) {}
func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// pairs collects measurements of both engines, taken in turns.
type pairs struct{ ratios, ours, bare []float64 }

func (p *pairs) add(ours, bare float64) {
	p.ours, p.bare, p.ratios = append(p.ours, ours), append(p.bare, bare), append(p.ratios, ours/bare)
}

// report gives the medians; per turns a measurement into the unit.
func (p *pairs) report(b *testing.B, per float64, unit string) {
	b.ReportMetric(median(p.ours)/per, unit)
	b.ReportMetric(median(p.bare)/per, "bare-"+unit)
	b.ReportMetric(median(p.ratios), "x-bare")
	b.ReportMetric(0, "ns/op") // of both and what stands between: it says nothing
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

var errRoot = errors.New("the root fails")

// BenchmarkStart measures from New to all workers running; x-bare is to be at most 1.2.
func BenchmarkStart(b *testing.B) {
	measure := func(start func(testing.TB, *field) worker.Worker) float64 {
		f := newField()
		runtime.GC()
		began := time.Now()
		e := start(b, f)
		f.await(b, 1)
		took := time.Since(began)
		e.Kill()
		require.NoError(b, e.Wait())
		return float64(took)
	}
	var p pairs
	for b.Loop() {
		p.add(measure(ours), measure(bare))
	}
	p.report(b, 1e6, "ms")
}

// BenchmarkRootFails measures from a failure of the root until all run again; x-bare is to be at
// most 1.2.
func BenchmarkRootFails(b *testing.B) {
	fields := [2]*field{newField(), newField()}
	for i, start := range []func(testing.TB, *field) worker.Worker{ours, bare} {
		e := start(b, fields[i])
		b.Cleanup(func() { e.Kill(); require.NoError(b, e.Wait()) })
		fields[i].await(b, 1)
	}
	measure := func(f *field) float64 {
		began := time.Now()
		f.await(b, f.fail(errRoot))
		return float64(time.Since(began))
	}
	runtime.GC()
	var p pairs
	for b.Loop() {
		p.add(measure(fields[0]), measure(fields[1]))
	}
	p.report(b, 1e6, "ms")
}

// BenchmarkHeap measures what a running manifold costs; x-bare is to be at most 2.
func BenchmarkHeap(b *testing.B) {
	measure := func(start func(testing.TB, *field) worker.Worker) (heap, stack float64) {
		f := newField()
		heap0, stack0 := inUse()
		e := start(b, f)
		f.await(b, 1)
		heap1, stack1 := inUse()
		runtime.KeepAlive(f)
		e.Kill()
		require.NoError(b, e.Wait())
		return heap1 - heap0, stack1 - stack0
	}
	var heap, stack pairs
	for b.Loop() {
		ours, oursStack := measure(ours)
		bare, bareStack := measure(bare)
		heap.add(ours, bare)
		stack.add(oursStack, bareStack)
	}
	heap.report(b, benchSize, "B/manifold")
	b.ReportMetric(median(stack.ours)/benchSize, "stack-B/manifold")
	b.ReportMetric(median(stack.bare)/benchSize, "bare-stack-B/manifold")
}

// inUse is what is left when the garbage is gone, stacks that have shrunk among it.
func inUse() (heap, stack float64) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}

// BenchmarkSnapshot measures a snapshot of 1,000 workers with their reports, to be at most 5 ms, and
// whether the rest stands still meanwhile: restart-ms is how long the bounce of a worker in the last
// layer takes (99 of 100) while snapshots are taken without a pause, quiet-restart-ms when none are.
func BenchmarkSnapshot(b *testing.B) {
	f := newField()
	const name = "layer-9-000"
	leafUp := make(chan struct{}, 1)
	leaf := f.manifolds[name]
	start := leaf.Start
	leaf.Start = func(ctx context.Context, getter dependency.Getter) (worker.Worker, error) {
		w, err := start(ctx, getter)
		if err == nil {
			leafUp <- struct{}{}
		}
		return w, err
	}
	f.manifolds[name] = leaf
	e, ok := ours(b, f).(*engine.Engine)
	require.True(b, ok)
	b.Cleanup(func() { e.Kill(); require.NoError(b, e.Wait()) })
	f.await(b, 1)
	<-leafUp

	bounces := func(until <-chan struct{}) float64 {
		var took []float64
		for {
			select {
			case <-until:
				slices.Sort(took)
				return took[len(took)*99/100] / 1e6
			default:
			}
			began := time.Now()
			if err := e.Bounce(name); err != nil {
				panic(err)
			}
			<-leafUp
			took = append(took, float64(time.Since(began)))
		}
	}
	var s engine.Snapshot
	for b.Loop() {
		s = e.Snapshot()
	}

	const turn = 200 * time.Millisecond
	ended := func() <-chan struct{} {
		c := make(chan struct{})
		time.AfterFunc(turn, func() { close(c) })
		return c
	}
	b.ReportMetric(bounces(ended()), "quiet-restart-ms")
	until := ended()
	busy := make(chan float64)
	go func() { busy <- bounces(until) }()
	for {
		select {
		case p99 := <-busy:
			b.ReportMetric(p99, "restart-ms")
		default:
			e.Snapshot()
			continue
		}
		break
	}
	require.Len(b, s.Nodes, benchSize)
	for _, node := range s.Nodes {
		require.NotEmpty(b, node.Report, node.Name)
	}
}

// BenchmarkDrawings measures the drawings of a snapshot of 1,000 manifolds.
func BenchmarkDrawings(b *testing.B) {
	s := engine.Snapshot{Taken: noon, State: engine.StateRunning}
	for name, m := range newField().manifolds {
		s.Nodes = append(s.Nodes, engine.Node{Name: name, Inputs: m.Inputs, State: engine.StateRunning, Since: noon})
	}
	slices.SortFunc(s.Nodes, func(a, b engine.Node) int { return cmp.Compare(a.Name, b.Name) })
	for name, draw := range map[string]func() string{"tree": s.Tree, "dot": s.DOT, "mermaid": s.Mermaid} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = io.WriteString(io.Discard, draw())
			}
		})
	}
}
