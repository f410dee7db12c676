package manifold_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

var (
	firstSeed = flag.Uint64("random.first", 1, "first seed of TestNoTwoBoxesWorkAtATime")
	seeds     = flag.Uint64("random.seeds", 30, "how many seeds TestNoTwoBoxesWorkAtATime tries under each engine")
)

// Whatever graph hangs on the gate and however leadership is lost: guarded workers of two boxes never
// run at the same time, and in the end one box works, with all its workers.
func TestNoTwoBoxesWorkAtATime(t *testing.T) {
	for name, run := range engines {
		t.Run(name, func(t *testing.T) {
			for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
				synctest.Test(t, func(t *testing.T) {
					c := &course{T: t, rand: rand.New(rand.NewPCG(seed, 0)), run: run, wrapAll: name == "juju", floor: newFloor(t), service: memstore.NewService(clock.WallClock)}
					c.follow()
					if t.Failed() {
						t.Fatalf("seed %d: try again with -run %q -random.first %d -random.seeds 1", seed, t.Name(), seed)
					}
				})
			}
		})
	}
}

// course is one random course of events.
type course struct {
	*testing.T
	rand    *rand.Rand
	wrapAll bool // juju's engine knows no order
	run     func(*testing.T, dependency.Manifolds) worker.Worker
	floor   *floor
	service *memstore.Service
	boxes   []*member
	steps   []string
}

// member is a box, with the engine that it runs now.
type member struct {
	box
	layers   int
	workers  int
	engine   worker.Worker
	election cell[manifold.Election]
}

func (c *course) follow() {
	for i := range 2 + c.rand.IntN(2) {
		m := &member{box: box{name: fmt.Sprintf("box-%d", i+1), service: c.service}, layers: 1 + c.rand.IntN(4)}
		c.boxes = append(c.boxes, m)
		c.start(m)
	}
	for range 12 {
		c.sleep(2 * ttl)
		c.disturb(c.boxes[c.rand.IntN(len(c.boxes))])
	}
	for _, m := range c.boxes {
		m.faults().Heal()
	}
	time.Sleep(10 * failover)
	works := 0
	for _, m := range c.boxes {
		if n := len(c.floor.working(m.name)); n > 0 {
			works++
			assert.Equal(c, m.workers, n, "all workers of %s", m.name)
		}
	}
	assert.Equal(c, 1, works, "one box works; steps: %v", c.steps)
}

// sleep waits for up to d.
func (c *course) sleep(d time.Duration) { time.Sleep(time.Duration(c.rand.Int64N(int64(d)))) }

// start runs a box. Under the Muster engine only some manifolds are wrapped, and others depend on the
// gate through others; under juju's each is wrapped.
func (c *course) start(m *member) {
	m.workers = 0
	all := m.manifolds(dependency.Manifolds{"election": reader("tracker", &m.election)})
	above := []string{"gate"}
	for layer := range m.layers {
		var names []string
		for i := range 1 + c.rand.IntN(2) {
			name := fmt.Sprintf("w%d-%d", layer, i)
			names = append(names, name)
			// Together they stop within the margin between lowering and the claim's end.
			slow := time.Duration(c.rand.IntN(20)) * time.Millisecond
			all[name] = c.floor.guarded(m.name, name, after(slow), above[c.rand.IntN(len(above))])
			if c.wrapAll || c.rand.IntN(3) == 0 {
				all[name] = manifold.WhileLeader("gate", all[name])
			}
			m.workers++
		}
		above = names
	}
	m.engine = c.run(c.T, all)
}

// disturb has the box lose leadership, if it has it, in one way or another.
func (c *course) disturb(m *member) {
	step := c.rand.IntN(6)
	c.steps = append(c.steps, fmt.Sprintf("%s %d", m.name, step))
	switch step {
	case 0: // a cut, perhaps a short one
		kinds := []storetest.FaultKind{storetest.Fail, storetest.Hang, storetest.LateReply, storetest.DropRequest, storetest.DropReply}
		m.faults().Inject(storetest.Fault{Kind: kinds[c.rand.IntN(len(kinds))]})
		c.sleep(3 * ttl)
		m.faults().Heal()
	case 1: // the session expires for want of renewals
		m.faults().Inject(storetest.Fault{Kind: storetest.Fail, Ops: []storetest.Op{storetest.Renew}})
		c.sleep(3 * ttl)
		m.faults().Heal()
	case 2:
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if election := m.election.get(); election != nil {
			_, _ = election.Resign(ctx)
		}
	case 3:
		m.engine.Kill()
		c.sleep(ttl)
		_ = m.engine.Wait()
		c.start(m)
	case 4:
		if e, ok := m.engine.(*engine.Engine); ok {
			nodes := e.Snapshot().Nodes
			_ = e.Bounce(nodes[c.rand.IntN(len(nodes))].Name)
		}
	case 5:
		c.service.Restart()
	}
}
