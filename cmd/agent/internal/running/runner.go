package running

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/news"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/tracker"
)

// Config is one `agent run`. All fields are required but Wait, ExitWhenLost and Restart; they have
// been checked by the caller.
type Config struct {
	Election, Node string
	TTL            time.Duration
	Grace          time.Duration // between the command's SIGTERM and SIGKILL
	Wait           time.Duration // how long to wait for leadership, each time; 0: for ever
	ExitWhenLost   bool          // else stand again
	Restart        bool          // run the command again when it ended, while leading

	Argv                  []string // of the command, which exists
	Stdin, Stdout, Stderr *os.File // the command's own

	Queue   *claimer.Queue // Run closes it
	Limits  store.Limits   // of its store
	Signals *Signals
	Say     *say.Printer
	Logger  *slog.Logger
}

// leaveTime bounds how long the end of a run waits for the store to take the leadership back.
const leaveTime = 3 * time.Second

// runner is one run.
type runner struct {
	Config
	clk    store.Clock
	worker *tracker.Worker
	news   *news.Announcer
	token  uint64 // of the latest term; 0 before the first
	// abandoned says that a third Ctrl-C wanted no more waiting for a command that can't be killed.
	// Then nothing is given up: the claim ends with its deadline, before which the guardian acts.
	abandoned bool
}

// Run stands for the election and runs the command whenever it leads, until the command or a
// signal ends that. Its error says how to exit, see package exit. On return nothing is led and
// nothing of the command runs, unless a third Ctrl-C would not wait for it.
func Run(cfg Config) error {
	r := &runner{Config: cfg, clk: bootclock.Clock}
	r.news = r.announcer()
	r.line("standing", say.Line{Holder: r.Node, PID: os.Getpid()}, "%s (pid %d) stands for %s", r.Node, os.Getpid(), r.Election)
	worker, err := tracker.New(tracker.Config{
		Claimer: news.Overheard{Queue: cfg.Queue, Hear: func(_ string, err error) { r.news.Claimed(err) }},
		Candidate: claimer.Candidate{
			Name: cfg.Election, Holder: cfg.Node,
			Attributes: map[string]string{"pid": strconv.Itoa(os.Getpid())},
		},
		Duration: cfg.TTL * 2 / 5,
		Clock:    r.clk,
		Logger:   cfg.Logger,
	})
	if err != nil {
		return err
	}
	r.worker = worker
	stop := r.watch()
	err = r.loop()
	stop()
	if !r.abandoned {
		r.leave()
	}
	return err
}

func (r *runner) loop() error {
	for {
		hold, err := r.campaign()
		if err != nil {
			return err
		}
		again, err := r.term(hold)
		if err != nil || !again {
			return err
		}
		if r.ExitWhenLost {
			return exit.Errorf(exit.Lost, "leadership of %s was lost; --on-lost=exit", r.Election)
		}
		r.news.Campaigning(true)
	}
}

// holds are what a term stands on: the claim isn't given up before they are released.
type holds struct {
	*tracker.Hold
	queue claimer.Hold // tells of a request to resign
}

// Release lets the claim go.
func (h holds) Release() {
	h.queue.Release()
	h.Hold.Release()
}

// hold takes the holds, or gives tracker.ErrNotLeader. A tracker that lost its lease and found it
// again has the claim that it had; a new term is to have a token of its own, so that one is given up.
func (r *runner) hold() (holds, error) {
	hold, err := r.worker.Hold()
	if err != nil {
		return holds{}, err
	}
	if hold.Claim().Token == r.token {
		r.resign()
		hold.Release()
		return holds{}, tracker.ErrNotLeader
	}
	queue, err := r.Queue.Hold(hold.Claim())
	if err != nil {
		hold.Release()
		return holds{}, fmt.Errorf("%w: %w", tracker.ErrNotLeader, err)
	}
	r.token = hold.Claim().Token
	return holds{hold, queue}, nil
}

// resign makes the tracker lower, now, and give the claim up once it isn't held any more.
func (r *runner) resign() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = r.worker.Resign(now) // nobody waits for more than the lowering
}

// campaign waits until this agent leads, and takes the holds that the term stands on.
func (r *runner) campaign() (holds, error) {
	var late <-chan time.Time
	if r.Wait > 0 {
		timer := r.clk.NewTimer(r.Wait)
		defer timer.Stop()
		late = timer.Chan()
	}
	for {
		leader := r.worker.WaitLeader()
		select {
		case <-leader.Ready():
			if !leader.Wait() {
				return holds{}, r.died()
			}
			hold, err := r.hold()
			switch {
			case err == nil:
				r.news.Campaigning(false)
				return hold, nil
			case !errors.Is(err, tracker.ErrNotLeader):
				return holds{}, err
			}
		case caught := <-r.Signals.c:
			switch n := caught.(syscall.Signal); {
			case ends(n):
				return holds{}, exit.BySignal(n)
			case n == syscall.SIGTSTP:
				suspend()
			}
		case <-late:
			return holds{}, exit.Errorf(exit.NotYet, "not leader of %s within --wait %v%s", r.Election, r.Wait, r.news.WhoLeads())
		}
	}
}

// died gives the reason for which the tracker ended by itself.
func (r *runner) died() error {
	if err := r.worker.Wait(); err != nil {
		return fmt.Errorf("standing for %s: %w", r.Election, err)
	}
	return exit.Errorf(exit.Software, "standing for %s ended without a reason", r.Election)
}

// leave gives up whatever is still led or stood for. It waits for the store for a while only, and
// not at all after a further signal.
func (r *runner) leave() {
	r.worker.Kill()
	left := make(chan struct{})
	go func() {
		defer close(left)
		_ = r.worker.Wait() // said already, if it ended by itself
		_ = r.Queue.Close()
	}()
	limit := r.clk.NewTimer(leaveTime)
	defer limit.Stop()
	for {
		select {
		case <-left:
			return
		case caught := <-r.Signals.c:
			if !stops(caught.(syscall.Signal)) {
				continue
			}
		case <-limit.Chan():
		}
		worst := r.Limits.WorstFailover(r.TTL)
		r.line("not-released", say.Line{AtMost: worst.Seconds()},
			"the store did not take the leadership of %s back in time: others wait for at most %s", r.Election, say.Length(worst))
		return
	}
}

// line says something of the agent's own.
func (r *runner) line(event string, l say.Line, format string, args ...any) {
	l.Event, l.Election, l.Text = event, r.Election, fmt.Sprintf(format, args...)
	r.Say.Line(l)
}
