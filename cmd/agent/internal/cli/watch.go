package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/running"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

func (p *program) electionWatch(ctx context.Context, name string) error {
	s, err := p.check()
	if err != nil {
		return err
	}
	if err := store.CheckName("election", name); err != nil {
		return err
	}
	signals := running.CatchSignals()
	defer signals.Stop()
	ctx, stop := signals.Context(ctx)
	defer stop()
	err = p.watch(ctx, s, name)
	if signal, ok := signals.Ended(); ok && ctx.Err() != nil {
		return exit.BySignal(signal)
	}
	return err
}

func (p *program) watch(ctx context.Context, s settings, name string) error {
	opened, err := p.open(ctx, s, nil)
	if err != nil {
		return err
	}
	queue, err := newQueue(opened, s)
	if err != nil {
		return err
	}
	out := p.printer(s)
	out.Stamp = true
	f := &follower{election: name, tell: out.Line}
	return queue.Watch(ctx, name, f.see)
}

// settleTime is how long resign waits for a successor when no candidate is in sight: the one that
// resigned stands again at once, unless it was told not to.
const settleTime = time.Second

func (p *program) electionResign(ctx context.Context, name string) error {
	return p.ask(ctx, name, func(ctx context.Context, queue *claimer.Queue, s settings) error {
		asked, err := queue.AskResign(ctx, name)
		switch {
		case errors.Is(err, claimer.ErrNotHeld):
			return exit.Errorf(exit.No, "nobody leads %s: there is nothing to resign from", name)
		case err != nil:
			return err
		}
		old := claimer.DisplayHolder(asked.Holder)
		next, resigned, err := successor(ctx, queue, name, asked)
		out := p.printer(s)
		switch {
		case err != nil:
			return err
		case !resigned:
			return exit.Errorf(exit.NotYet, "%s (token %d) was asked to resign from %s but still leads after %s: it resigns once what it runs has stopped; see that it does, or allow more time with --timeout",
				old, asked.Token, name, say.Length(s.timeout))
		case next.Key == "":
			out.Line(say.Line{Event: "resigned", Election: name, Text: old + " resigned; nobody leads " + name + " now"})
			return nil
		}
		holder := claimer.DisplayHolder(next.Holder)
		out.Line(say.Line{
			Event: "resigned", Election: name, Holder: holder, Token: next.Token, PID: pid(next.Claim),
			Text: fmt.Sprintf("%s resigned; %s leads %s now, with token %d%s", old, holder, name, next.Token, process(next)),
		})
		return nil
	})
}

// successor waits until the one that was asked leads no more, and somebody else does or nobody is
// there to. It gives up, without an error, when ctx ends.
func successor(ctx context.Context, queue *claimer.Queue, name string, asked claimer.Standing) (next claimer.Standing, resigned bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	views := make(chan claimer.View)
	ended := make(chan error, 1)
	go func() {
		ended <- queue.Watch(ctx, name, func(v claimer.View) {
			select {
			case views <- v:
			case <-ctx.Done():
			}
		})
	}()
	var settled <-chan time.Time
	for {
		select {
		case v := <-views:
			gone := len(v.Candidates) == 0 || v.Candidates[0].Key != asked.Key
			if v.Stale != nil || !gone {
				continue
			}
			resigned = true
			if len(v.Candidates) > 0 && v.Candidates[0].Confirmed {
				return v.Candidates[0], true, nil
			}
			if settled == nil && len(v.Candidates) == 0 {
				settled = bootclock.Clock.After(settleTime)
			}
		case <-settled:
			return claimer.Standing{}, true, nil
		case <-ctx.Done():
			return claimer.Standing{}, resigned, nil
		case err := <-ended:
			if ctx.Err() != nil {
				err = nil
			}
			return claimer.Standing{}, resigned, err
		}
	}
}
