package daemon

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/engine"
)

// reload takes the file over as it is now: whole, or not at all. One call runs at a time.
func (d *daemon) reload() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.ready.Load() { // before that systemd waits for the start
		d.notifier.Reloading()
		defer d.notifier.Ready()
	}
	next, err := d.Reload()
	if err == nil {
		err = d.acceptable(next)
	}
	var faults config.Faults
	switch {
	case errors.As(err, &faults):
		for _, fault := range faults {
			d.say("not-reloaded", say.Line{}, "%v", fault)
		}
		d.say("not-reloaded", say.Line{}, "the new configuration has faults: the old one goes on")
		return
	case err != nil:
		d.say("not-reloaded", say.Line{}, "%s: the old configuration goes on", exit.Message(err))
		return
	}
	d.mu.Lock()
	before := d.file
	d.mu.Unlock()
	if names := d.File.Restart(next); len(names) > 0 {
		d.say("restart-needed", say.Line{}, "%s: a change takes effect only when the agent is started again", strings.Join(names, ", "))
	}
	if err := d.apply(before, next); err != nil {
		if !errors.Is(err, engine.ErrStopping) {
			d.say("not-reloaded", say.Line{}, "the new configuration was taken over in part: %v: send SIGHUP again to go on", err)
		}
		return
	}
	d.mu.Lock()
	d.file = next
	d.mu.Unlock()
	d.say("reloaded", say.Line{}, "configuration %s taken over", next.Path)
	d.poke()
}

// acceptable refuses a configuration that this store, or this run, can't keep.
func (d *daemon) acceptable(next *config.Config) error {
	opened := d.store.Load()
	var faults config.Faults
	for _, e := range next.Elections {
		if opened != nil {
			if err := (claimer.Config{Store: opened, TTL: e.TTL}).Validate(); err != nil {
				faults = append(faults, config.Fault{Path: next.Path, Text: "election \"" + e.Name + "\": " + exit.Message(err)})
			}
		}
		if e.Run != nil && e.Grace+stopMargin > d.stopLimit {
			faults = append(faults, config.Fault{Path: next.Path, Text: "election \"" + e.Name + "\": grace " + e.Grace.String() +
				" is longer than what this agent was started with: start it again"})
		}
	}
	if faults == nil {
		return nil
	}
	return faults
}

// apply stops what is no more or is another, all at once, and then starts what is new. What can't be
// stopped is left as it is, and told in the error.
func (d *daemon) apply(before, next *config.Config) error {
	was, will := before.ByName(), next.ByName()
	var ends sync.WaitGroup
	var mu sync.Mutex
	failed := map[string]error{} // by election
	end := func(election string, names ...string) {
		ends.Go(func() {
			for _, name := range names {
				if err := d.uninstall(name); err != nil {
					mu.Lock()
					failed[election] = err
					mu.Unlock()
					return
				}
			}
		})
	}
	for name, e := range was {
		switch other, stays := will[name]; {
		case !stays || !e.SameStand(other):
			end(name, commandName(name), newsName(name), gateName(name), trackerName(name))
		case !e.SameCommand(other):
			end(name, commandName(name))
		}
	}
	ends.Wait()
	errs := slices.Collect(maps.Values(failed))
	for _, ttl := range ttls(before) {
		if !slices.Contains(ttls(next), ttl) {
			if err := d.uninstall(claimerName(ttl)); !errors.Is(err, engine.ErrInUse) { // by what failed above
				errs = append(errs, err)
			}
		}
	}
	snapshot := d.engine.Snapshot()
	for _, ttl := range ttls(next) {
		if _, there := snapshot.Node(claimerName(ttl)); !there {
			errs = append(errs, d.engine.Install(claimerName(ttl), d.claimerManifold(ttl)))
		}
	}
	return errors.Join(append(errs, d.install(was, next, failed))...)
}

// uninstall stops a manifold, if there is one of the name.
func (d *daemon) uninstall(name string) error {
	if err := d.engine.Uninstall(name); !errors.Is(err, engine.ErrUnknown) {
		return err
	}
	return nil
}

// install starts what is new, but for the elections that have failed, and forgets the stands that
// are no more.
func (d *daemon) install(was map[string]config.Election, next *config.Config, failed map[string]error) error {
	d.mu.Lock()
	before := d.stands
	d.mu.Unlock()
	stands := map[string]*stand{}
	var fresh []named
	for name := range failed {
		stands[name] = before[name]
	}
	for _, e := range next.Elections {
		if failed[e.Name] != nil {
			continue
		}
		s, old := before[e.Name], was[e.Name]
		again := s == nil || !old.SameStand(e)
		if again {
			s = d.newStand(e)
			fresh = append(fresh, d.standManifolds(s)...)
		}
		if e.Run != nil && (again || !old.SameCommand(e)) {
			fresh = append(fresh, named{commandName(e.Name), d.commandManifold(s, e)})
		}
		s.change(e.Run)
		stands[e.Name] = s
	}
	d.mu.Lock()
	d.stands = stands
	d.mu.Unlock()
	var errs []error
	for _, m := range fresh {
		errs = append(errs, d.engine.Install(m.name, m.Manifold))
	}
	return errors.Join(errs...)
}

// ttls are the TTLs of a configuration's elections.
func ttls(c *config.Config) []time.Duration {
	var all []time.Duration
	for _, e := range c.Elections {
		if !slices.Contains(all, e.TTL) {
			all = append(all, e.TTL)
		}
	}
	return all
}
