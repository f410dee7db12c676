package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/command"
	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/news"
	"github.com/muster-go/muster/cmd/agent/internal/systemd"
	"github.com/muster-go/muster/cmd/agent/internal/web"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
)

// storeManifold opens the store, and shows it to the daemon. A driver that hangs while it opens is
// left behind when nobody wants it any more.
func (d *daemon) storeManifold() dependency.Manifold {
	m := manifold.Store(manifold.StoreConfig{
		URL: d.StoreURL, Openers: d.Openers,
		Options: store.Config{Clock: d.clk, Logger: d.Logger, Metrics: d.registry},
	})
	start := m.Start
	m.Start = func(ctx context.Context, getter dependency.Getter) (worker.Worker, error) {
		opened := make(chan opening)
		go func() {
			o := open(ctx, start, getter)
			select {
			case opened <- o:
			case <-ctx.Done():
				if o.err == nil {
					_ = worker.Stop(o.worker) // too late
				}
			}
		}()
		select {
		case o := <-opened:
			if o.err != nil {
				return nil, o.err
			}
			var st *store.Store
			if err := m.Output(o.worker, &st); err != nil {
				return o.worker, err
			}
			d.store.Store(st)
			return o.worker, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return m
}

// opening is what came of a Start.
type opening struct {
	worker worker.Worker
	err    error
}

// open calls start. A panic is an error, as it is where the engine calls.
func open(ctx context.Context, start dependency.StartFunc, getter dependency.Getter) (o opening) {
	defer func() {
		if v := recover(); v != nil {
			o = opening{err: fmt.Errorf("opening the store: panic: %v\n%s", v, debug.Stack())}
		}
	}()
	o.worker, o.err = start(ctx, getter)
	return o
}

// claimerManifold claims for all elections of one TTL; the daemon overhears what becomes of claims.
func (d *daemon) claimerManifold(ttl time.Duration) dependency.Manifold {
	m := manifold.Claimer(manifold.ClaimerConfig{Store: storeName, TTL: ttl, Logger: d.Logger})
	output := m.Output
	m.Output = func(in worker.Worker, out any) error {
		target, ok := out.(*claimer.Claimer)
		if !ok {
			return output(in, out)
		}
		var queue *claimer.Queue
		if err := output(in, &queue); err != nil {
			return err
		}
		*target = news.Overheard{Queue: queue, Hear: d.claimed}
		return nil
	}
	return m
}

// named is a manifold with its name.
type named struct {
	name string
	dependency.Manifold
}

// standManifolds are those of an election, but for its command, inputs first.
func (d *daemon) standManifolds(s *stand) []named {
	e := config.Election{Name: s.name, TTL: s.ttl}
	return []named{
		{trackerName(e.Name), manifold.Tracker(manifold.TrackerConfig{
			Claimer: claimerName(e.TTL),
			Candidate: claimer.Candidate{Name: e.Name, Holder: d.Node, Attributes: map[string]string{
				"pid": strconv.Itoa(os.Getpid()), agentAttribute: d.id,
			}},
			Duration: e.TTL * 2 / 5, Clock: d.clk, Logger: d.Logger, Metrics: d.registry,
		})},
		{gateName(e.Name), manifold.Gate(manifold.GateConfig{Tracker: trackerName(e.Name)})},
		{newsName(e.Name), dependency.Manifold{
			Inputs: []string{claimerName(e.TTL), trackerName(e.Name)},
			Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
				queue, err := manifold.Get[*claimer.Queue](getter, claimerName(e.TTL))
				if err != nil {
					return nil, err
				}
				election, err := manifold.Get[manifold.Election](getter, trackerName(e.Name))
				if err != nil {
					return nil, err
				}
				return newReporter(s, queue, election), nil
			},
		}},
	}
}

// commandManifold runs the command of an election while its gate is open.
func (d *daemon) commandManifold(s *stand, e config.Election) dependency.Manifold {
	environment := slices.DeleteFunc(os.Environ(), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(systemd.Variables, name)
	})
	spec := command.Spec{
		Election: e.Name, Node: d.Node, TTL: e.TTL, Grace: e.Grace,
		Argv: e.Run, Env: command.Environment(environment, e.Env), Dir: e.Dir,
		Stdout: d.Stdout, Stderr: d.Stderr, Logger: d.Logger, Clock: d.clk,
	}
	return manifold.WhileLeader(gateName(e.Name), dependency.Manifold{
		Inputs: []string{trackerName(e.Name)},
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			leadership, err := manifold.Get[manifold.Leadership](getter, gateName(e.Name))
			if err != nil {
				return nil, err
			}
			election, err := manifold.Get[manifold.Election](getter, trackerName(e.Name))
			if err != nil {
				return nil, err
			}
			if token := leadership.Claim().Token; s.wasLost(token) {
				resign(election)
				return nil, fmt.Errorf("the leadership with token %d was lost, and is given up for one with a token of its own: %w", token, dependency.ErrMissing)
			}
			return newCommand(s, spec, leadership, election), nil
		},
	})
}

// httpManifold serves, at first on the listener that the daemon was given, and later on its address.
func (d *daemon) httpManifold() dependency.Manifold {
	handler := d.handler()
	first := d.Listener
	return dependency.Manifold{
		Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
			listener := first
			first = nil
			if listener == nil {
				var err error
				var how net.ListenConfig
				if listener, err = how.Listen(ctx, "tcp", d.address); err != nil {
					return nil, err
				}
			}
			return web.Serve(listener, handler, d.clk, d.Logger), nil
		},
	}
}
