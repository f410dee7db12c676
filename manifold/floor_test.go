package manifold_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
)

// floor sees every guarded worker of a fleet come and go. Workers of two boxes on it at the same
// time are the overlap that leadership is to prevent.
type floor struct {
	t testing.TB

	mu   sync.Mutex
	on   map[string][]string // the workers at work, by box
	log  []string            // "box-1 +app", "box-1 -app"
	seen map[string]int      // how many came, by box
}

func newFloor(t testing.TB) *floor {
	return &floor{t: t, on: map[string][]string{}, seen: map[string]int{}}
}

func (f *floor) enter(box, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on[box] = append(f.on[box], name)
	f.seen[box]++
	f.log = append(f.log, box+" +"+name)
	for other, names := range f.on {
		if other != box && len(names) > 0 {
			assert.Fail(f.t, "overlap", "%s starts %s while %v of %s still work", box, name, names, other)
		}
	}
}

func (f *floor) leave(box, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.Index(f.on[box], name)
	f.on[box] = slices.Delete(f.on[box], at, at+1)
	f.log = append(f.log, box+" -"+name)
}

// working says who works now.
func (f *floor) working(box string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := slices.Clone(f.on[box])
	slices.Sort(names)
	return names
}

// history gives what happened since the last call.
func (f *floor) history() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	return log
}

func (f *floor) came(box string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[box]
}

// guarded is the manifold of a worker that takes some time to stop. It needs all its inputs, and
// dependents get its name.
func (f *floor) guarded(box, name string, slow func() time.Duration, inputs ...string) dependency.Manifold {
	return dependency.Manifold{
		Inputs: inputs,
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			for _, input := range inputs {
				if err := getter.Get(input, nil); err != nil {
					return nil, err
				}
			}
			f.enter(box, name)
			return work(func(dying <-chan struct{}) error {
				<-dying
				time.Sleep(slow())
				f.leave(box, name)
				return nil
			}), nil
		},
		Output: func(_ worker.Worker, out any) error {
			if target, ok := out.(*string); ok {
				*target = name
				return nil
			}
			return fmt.Errorf("%T", out)
		},
	}
}

func after(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
