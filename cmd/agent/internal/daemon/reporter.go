package daemon

import (
	"context"
	"errors"
	"os"

	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/tracker"
)

// reporter is the worker that watches one election and says what becomes of it.
type reporter struct {
	tomb     tomb.Tomb
	s        *stand
	queue    *claimer.Queue
	election manifold.Election
	token    uint64 // while leading
}

func newReporter(s *stand, queue *claimer.Queue, election manifold.Election) *reporter {
	w := &reporter{s: s, queue: queue, election: election}
	w.tomb.Go(w.run)
	return w
}

// Kill implements worker.Worker.
func (w *reporter) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (w *reporter) Wait() error { return w.tomb.Wait() }

func (w *reporter) run() error {
	s := w.s
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.news.Campaigning(true)
	s.say("standing", say.Line{Holder: s.d.Node, PID: os.Getpid()}, "%s (pid %d) stands for it", s.d.Node, os.Getpid())
	s.up(w.election)
	defer s.up(nil)
	watched := make(chan error, 1)
	go func() { watched <- w.queue.Watch(ctx, s.name, s.see) }()
	events := w.election.Observe(ctx)
	for {
		select {
		case event, more := <-events:
			if !more {
				events = nil
				continue
			}
			w.heard(event)
			s.d.poke()
		case err := <-watched:
			return err
		case <-w.tomb.Dying():
			cancel()
			if err := <-watched; !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}

// heard tells of gains and losses.
func (w *reporter) heard(event tracker.Event) {
	s := w.s
	switch {
	case event.Kind == tracker.BecameLeader:
		w.token = event.Claim.Token
		s.news.Campaigning(false)
		worst := s.worstFailover()
		s.say("leading", say.Line{Holder: s.d.Node, Token: w.token, PID: os.Getpid(), AtMost: worst.Seconds()},
			"leading with token %d", w.token)
	case w.token != 0 && (event.Kind == tracker.BecameMinion || event.Kind == tracker.LeaderElsewhere):
		l := say.Line{Holder: s.d.Node, Token: w.token}
		if s.askedToResign() {
			s.say("resigning", l, "asked to resign (token %d)%s", w.token, s.stopping())
		} else {
			s.say("lost", l, "lost the leadership (token %d)%s%s", w.token, s.news.WhyLost(), s.stopping())
		}
		w.token = 0
		s.news.Campaigning(true)
	}
}

// stopping ends what is told of a loss.
func (s *stand) stopping() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return ""
	}
	return ": stopping the command"
}

// askedToResign says whether the election's record asks this daemon to go.
func (s *stand) askedToResign() bool {
	view := s.news.View()
	return len(view.Candidates) > 0 && s.mine(view.Candidates[0]) && view.Candidates[0].ResignAsked
}
