package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4/dependency"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/cmd/agent/internal/statedir"
	"github.com/muster-go/muster/cmd/agent/internal/systemd"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

const (
	// stopMargin is what a worker may take to stop beyond the longest grace of a command, before the
	// engine goes on without it; the whole is stopLeast at least.
	stopMargin = 5 * time.Second
	stopLeast  = 10 * time.Second
	// retryMost is the longest wait before something that failed is tried again.
	retryMost = 5 * time.Second
	// settleTime is how long changes are collected, at least, before the daemon's state is looked at
	// again, and settleShare how many times as long as that took the last time.
	settleTime  = 50 * time.Millisecond
	settleShare = 10
)

// daemon is one run.
type daemon struct {
	Config
	clk       clock.Clock
	id        string // random
	address   string // where it listens
	reachable string // where programs of this machine can ask it
	began     time.Time
	stopLimit time.Duration // the engine's StopTimeout
	registry  *prometheus.Registry
	engine    *engine.Engine
	notifier  *systemd.Notifier
	store     atomic.Pointer[store.Store] // the one opened last; nil before the first
	ready     atomic.Bool                 // it was, at least once
	changed   chan struct{}               // holds one: look at the state again
	reloads   sync.WaitGroup
	reloading sync.Mutex // held by the one that is under way

	mu     sync.Mutex
	file   *config.Config
	stands map[string]*stand
	down   error // the outage that was told
}

// Run runs the daemon until SIGTERM, Ctrl-C or a fault that makes it useless. Its error says how to
// exit, see package exit. A SIGHUP has the configuration read again. When Run has returned the
// process must exit: what a hanging store holds up goes on until then.
func Run(cfg Config) error {
	d := newDaemon(cfg)
	defer func() {
		d.withdraw()
		cfg.State.Release()
		_ = cfg.Listener.Close() // which nobody has served on if the engine ended at once
	}()
	signals := catchSignals()
	defer signals.stop()
	if err := d.start(); err != nil {
		return err
	}
	err := d.loop(signals)
	if !errors.Is(err, errAbandoned) {
		d.reloads.Wait()
	}
	d.notifier.Close()
	return d.verdict(err)
}

func newDaemon(cfg Config) *daemon {
	d := &daemon{
		Config: cfg, clk: bootclock.Clock, id: rand.Text(),
		address: cfg.Listener.Addr().String(), reachable: reachable(cfg.Listener.Addr()),
		stopLimit: max(stopLeast, cfg.File.MostGrace()+stopMargin),
		registry:  prometheus.NewRegistry(), changed: make(chan struct{}, 1),
		file: cfg.File, stands: map[string]*stand{},
	}
	d.began = d.clk.Now()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "muster_build_info",
		Help:        "Which build this is; always 1.",
		ConstLabels: prometheus.Labels{"version": cfg.Version, "revision": cfg.Revision, "goversion": runtime.Version()},
	})
	build.Set(1)
	d.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return d
}

// start starts the engine and tells where the daemon is.
func (d *daemon) start() error {
	manifolds := dependency.Manifolds{storeName: d.storeManifold()}
	for _, e := range d.file.Elections {
		s := d.newStand(e)
		d.stands[e.Name] = s
		if manifolds[claimerName(e.TTL)].Start == nil {
			manifolds[claimerName(e.TTL)] = d.claimerManifold(e.TTL)
		}
		for _, m := range d.standManifolds(s) {
			manifolds[m.name] = m.Manifold
		}
		if e.Run != nil {
			manifolds[commandName(e.Name)] = d.commandManifold(s, e)
		}
	}
	var err error
	d.engine, err = engine.New(engine.Config{
		Clock: d.clk, Logger: d.Logger, Metrics: d.registry,
		StopTimeout: d.stopLimit, MaxRestartDelay: retryMost, IsFatal: d.isFatal,
	}, manifolds)
	if err != nil {
		return err
	}
	d.notifier = systemd.New(systemd.Config{Alive: d.engine.Live, Clock: d.clk, Logger: d.Logger})
	err = d.engine.Install(httpName, d.httpManifold())
	if err == nil {
		err = d.State.Publish(statedir.Daemon{PID: os.Getpid(), Address: d.reachable, ID: d.id})
	}
	if err != nil && !errors.Is(err, engine.ErrStopping) { // which ends soon, and says why
		d.engine.Kill()
		d.notifier.Close()
		return errors.Join(err, d.engine.Wait())
	}
	d.say("serving", say.Line{Holder: d.Node, PID: os.Getpid(), URL: d.url(), Store: store.Redact(d.StoreURL)},
		"%s (pid %d) serves on %s; store %s", d.Node, os.Getpid(), d.url(), store.Redact(d.StoreURL))
	return nil
}

func (d *daemon) url() string { return "http://" + d.reachable }

// reachable is a listener's address as a client can use it.
func reachable(listens net.Addr) string {
	at, ok := listens.(*net.TCPAddr)
	if !ok || !at.IP.IsUnspecified() {
		return listens.String()
	}
	return net.JoinHostPort("localhost", strconv.Itoa(at.Port))
}

// isFatal says which errors end the daemon: those that trying again can't mend, as long as it was
// never ready. Later the same (a password that changed) is an outage like any other.
func (d *daemon) isFatal(err error) bool {
	return !d.ready.Load() && (errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized))
}

// loop runs until the engine has ended, and returns the engine's error.
func (d *daemon) loop(signals *signals) error {
	ended := make(chan error, 1)
	go func() { ended <- d.engine.Wait() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := d.engine.Subscribe(ctx, 1)
	look := d.clk.NewTimer(0)
	defer look.Stop()
	stopping := false
	due, took := true, time.Duration(0) // look is running; the latest look took so long
	for {
		select {
		case err := <-ended:
			return err
		case _, more := <-events:
			if !more {
				events = nil
			}
			d.poke()
		case <-d.changed:
			if !due {
				due = true
				look.Reset(max(settleTime, settleShare*took))
			}
		case <-look.Chan():
			due = false
			began := d.clk.Now()
			d.look()
			took = d.clk.Now().Sub(began)
		case <-signals.reload:
			d.reloads.Go(d.reload)
		case <-signals.end:
			if !stopping {
				stopping = true
				d.say("stopping", say.Line{}, "stopping")
				d.notifier.Stopping()
				d.withdraw()
				d.engine.Kill()
			}
			switch n := signals.presses(); {
			case n == 2:
				d.killCommands()
			case n > 2:
				return errAbandoned
			}
		}
	}
}

// withdraw has nobody ask a daemon any more that is about to stop serving.
func (d *daemon) withdraw() {
	if err := d.State.Withdraw(); err != nil {
		d.Logger.Warn("the state folder wasn't tidied up", "error", err)
	}
}

// errAbandoned is how a run ends that was interrupted three times: its guardians do the rest.
var errAbandoned = errors.New("interrupted three times")

// verdict turns the engine's error into the daemon's.
func (d *daemon) verdict(err error) error {
	var stuck *engine.StuckError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errAbandoned):
		return exit.Silent(exit.Signalled + 2)
	case d.isFatal(err):
		return err
	case !errors.As(err, &stuck):
		return exit.Errorf(exit.Software, "serve: %w", err)
	}
	if d.store.Load() == nil {
		return nil // there was nothing to give back
	}
	for _, name := range stuck.Stuck {
		if strings.HasPrefix(name, "command(") {
			return exit.Errorf(exit.Software, "%s didn't stop within %s; its guardian goes on trying", name, say.Length(d.stopLimit))
		}
	}
	d.say("not-released", say.Line{}, "the store did not take the leadership back in time (%s): others wait for at most the TTL", strings.Join(stuck.Stuck, ", "))
	return nil
}

// poke has the state looked at again, soon.
func (d *daemon) poke() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// look tells systemd and people what has changed.
func (d *daemon) look() {
	status := d.status()
	d.notifier.Status(status.line())
	if status.Ready && !d.ready.Swap(true) {
		d.say("ready", say.Line{}, "ready")
		d.notifier.Ready()
	}
	d.tellOutage()
}

// tellOutage tells, once for all elections, when the store can't be reached and when it can again.
func (d *daemon) tellOutage() {
	var down error
	for _, s := range d.allStands() {
		if down = s.news.Down(); down != nil {
			break
		}
	}
	d.mu.Lock()
	before := d.down
	d.down = down
	d.mu.Unlock()
	switch {
	case down != nil && before == nil:
		d.say("store-lost", say.Line{}, "the store can't be reached (%v): commands go on for as long as their leadership surely lasts", down)
	case down == nil && before != nil:
		d.say("store-back", say.Line{}, "the store answers again")
	}
}

// claimed hears what became of a claim.
func (d *daemon) claimed(election string, err error) {
	d.mu.Lock()
	s := d.stands[election]
	d.mu.Unlock()
	if s != nil {
		s.news.Claimed(err)
	}
}

// allStands gives the stands by name.
func (d *daemon) allStands() []*stand {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*stand
	for _, s := range d.stands {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *stand) int { return strings.Compare(a.name, b.name) })
	return all
}

// killCommands kills what runs, for who doesn't want to wait.
func (d *daemon) killCommands() {
	for _, s := range d.allStands() {
		s.kill()
	}
}

// say says something of the daemon's own.
func (d *daemon) say(event string, l say.Line, format string, args ...any) {
	l.Event, l.Text = event, fmt.Sprintf(format, args...)
	d.Say.Line(l)
}
