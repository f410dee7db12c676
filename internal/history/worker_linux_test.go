package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/store/sqlstore"
	"github.com/muster-go/muster/tracker"
)

// workerEnv has the test binary be a worker: a workerConfig in JSON.
const workerEnv = "MUSTER_TEST_WORKER"

type workerConfig struct {
	Name     string
	Store    string // its URL
	Register string // a database's path, or an etcd's host:port
	Journal  string
	TTL      time.Duration
	Dawdle   time.Duration // between the check and the write, at the mean
	Careless bool          // writes without a fence, and often takes it for granted that it still leads
	Seed     uint64
}

const election = "history"

// The lanes of a worker, each a goroutine of its own: a write that hangs keeps nobody from asking
// who leads.
const (
	checking = 0
	writing  = 1
)

// worker is what a worker process is made of.
type worker struct {
	cfg      workerConfig
	journal  *journal
	tracker  *tracker.Worker
	register shared
	stopping chan struct{}
}

// runWorker works until SIGTERM. SIGUSR1 has it resign.
func runWorker(text string) error {
	w := &worker{stopping: make(chan struct{})}
	if err := json.Unmarshal([]byte(text), &w.cfg); err != nil {
		return err
	}
	asked := make(chan os.Signal, 8)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGUSR1)
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var err error
	if w.journal, err = openJournal(w.cfg.Journal); err != nil {
		return err
	}
	if scheme, _, _ := strings.Cut(w.cfg.Store, ":"); scheme == "sqlite" {
		w.register, err = openSQLRegister(w.cfg.Register, w.cfg.Careless)
	} else {
		w.register, err = openEtcdRegister(w.cfg.Register)
	}
	if err != nil {
		return err
	}
	openers := store.Openers{"sqlite": sqlstore.OpenSQLite, "etcd": etcdstore.Open}
	st, err := openers.Open(context.Background(), w.cfg.Store, store.Config{Logger: logger})
	for err != nil && !errors.Is(err, store.ErrInvalid) { // on a busy machine
		logger.Warn("the store can't be opened", "error", err)
		<-time.After(100 * time.Millisecond)
		st, err = openers.Open(context.Background(), w.cfg.Store, store.Config{Logger: logger})
	}
	if err != nil {
		return err
	}
	queue, err := claimer.New(claimer.Config{Store: st, TTL: w.cfg.TTL, Logger: logger})
	if err != nil {
		return err
	}
	w.tracker, err = tracker.New(tracker.Config{
		Claimer: queue, Candidate: claimer.Candidate{Name: election, Holder: w.cfg.Name},
		Duration: w.cfg.TTL * 2 / 5, Logger: logger,
	})
	if err != nil {
		return err
	}
	var lanes sync.WaitGroup
	lanes.Go(w.check)
	lanes.Go(w.write)
	for s := range asked {
		if s == syscall.SIGTERM {
			break
		}
		// An error says that the claim isn't known to be given up: it ends by itself then.
		_ = w.release(func() error { _, err := w.tracker.Resign(context.Background()); return err })
	}
	err = w.release(func() error { w.tracker.Kill(); return w.tracker.Wait() })
	close(w.stopping)
	lanes.Wait()
	return errors.Join(err, queue.Close(), st.Close(), w.register.close())
}

// release has give end whatever leadership there is, and notes that.
func (w *worker) release(give func() error) error {
	noted := w.journal.call(checking, opRelease, 0, "")
	err := give()
	if err != nil {
		noted.Note = err.Error()
	}
	noted.Outcome = yes
	w.journal.done(noted)
	return err
}

// pause waits for d at the mean; false: the worker stops.
func (w *worker) pause(random *rand.Rand, d time.Duration) bool {
	select {
	case <-time.After(time.Duration(random.ExpFloat64() * float64(d))):
		return true
	case <-w.stopping:
		return false
	}
}

// check waits until the worker leads, and then asks again and again whether it does.
func (w *worker) check() {
	random := rand.New(rand.NewPCG(w.cfg.Seed, checking))
	for {
		noted := w.journal.call(checking, opAcquire, 0, "")
		ticket := w.tracker.WaitLeader()
		select {
		case <-ticket.Ready():
		case <-w.stopping:
			return
		}
		claim, _, leads := w.tracker.Leadership()
		noted.Outcome = no
		if leads {
			noted.Outcome, noted.Token = yes, claim.Token
		}
		w.journal.done(noted)
		for leads {
			if !w.pause(random, 10*time.Millisecond) {
				return
			}
			noted := w.journal.call(checking, opCheck, claim.Token, "")
			var until int64
			if !w.cfg.Careless || random.IntN(10) == 0 {
				leads, until = w.leads(claim.Token, random.IntN(3), noted.At)
			}
			noted.Outcome = no
			if leads {
				noted.Outcome, noted.Until = yes, until
			}
			w.journal.done(noted)
		}
		if !w.pause(random, time.Millisecond) {
			return
		}
	}
}

// leads asks, in one of three ways, whether the worker leads with the token. A ticket's yes holds
// until until, on the clock of asked.
func (w *worker) leads(token uint64, way int, asked int64) (_ bool, until int64) {
	own := func() bool {
		claim, _, leads := w.tracker.Leadership()
		return leads && claim.Token == token
	}
	switch way {
	case 0:
		hold, err := w.tracker.Hold()
		if err != nil {
			return false, 0
		}
		defer hold.Release()
		return hold.Claim().Token == token && hold.Leads(), 0
	case 1:
		// A ticket doesn't say of which claim it is: of this one, if that is in force before and after.
		if own() && w.tracker.ClaimLeader().Wait() && own() {
			return true, asked + int64(w.tracker.ClaimDuration())
		}
		return false, 0
	}
	return own(), 0
}

// write writes while the worker leads, as far as it knew a while ago, and reads.
func (w *worker) write() {
	random := rand.New(rand.NewPCG(w.cfg.Seed, writing))
	for n := 0; w.pause(random, w.cfg.Dawdle/20); n++ {
		claim, _, leads := w.tracker.Leadership()
		if !w.pause(random, w.cfg.Dawdle) {
			return
		}
		if leads {
			noted := w.journal.call(writing, opWrite, claim.Token, fmt.Sprintf("%s-%d", w.cfg.Name, n))
			var err error
			noted.Outcome, noted.Seen, err = w.register.write(claim.Token, noted.Value, n)
			if err != nil {
				noted.Note = err.Error()
			}
			w.journal.done(noted)
		}
		if leads && random.IntN(4) > 0 {
			continue
		}
		noted := w.journal.call(writing, opRead, 0, "")
		var err error
		noted.Seen, noted.Value, err = w.register.read()
		noted.Outcome = accepted
		if err != nil {
			noted.Outcome, noted.Note = failed, err.Error()
		}
		w.journal.done(noted)
	}
}
