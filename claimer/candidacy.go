package claimer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/internal/chance"
	"github.com/muster-go/muster/store"
)

// errLapsed is why a candidacy ended that nobody claimed for, waited for or extended.
var errLapsed = fmt.Errorf("%w: nobody extended it", ErrNotHeld)

// candidacy is one standing of a candidate: one record, from before it is created until it is known
// gone (R11). It moves one way: queued, in force (claim is set), ended. The end is irrevocable and
// comes before anything is deleted; and the record is deleted only after guarded work has stopped.
type candidacy struct {
	q    *Queue
	c    Candidate
	turn chan struct{} // holds one token: one Claim at a time asks the store

	over  chan struct{} // closed at the end
	gone  chan struct{} // closed when the record is known gone
	asked chan struct{} // closed when somebody asked the holder to resign
	news  chan struct{} // the record may want confirming

	mu        sync.Mutex
	users     int           // calls of Claim and WaitReleased under way
	grace     time.Duration // how long it lives on after the last of them: the d of the latest Claim
	until     time.Time     // it lives at least until then
	lapse     clock.Timer   // nil while there are users
	lease     *store.Lease  // nil until the record is being created
	record    store.Record  // CreateRev is 0 until it is known
	claim     *Claim        // set while in force
	holds     int
	unheld    chan struct{} // closed while there are no holds
	releasing bool          // Release was called; ends with the last hold
	err       error         // why it ended
	told      bool          // a Claim has said that the claim in force was lost

	last atomic.Pointer[time.Time] // the lease's deadline at the end; nil before
}

func newCandidacy(q *Queue, c Candidate) *candidacy {
	k := &candidacy{
		q: q, c: c,
		turn:   make(chan struct{}, 1),
		over:   make(chan struct{}),
		gone:   make(chan struct{}),
		asked:  make(chan struct{}),
		news:   make(chan struct{}, 1),
		until:  q.clk.Now(),
		unheld: make(chan struct{}),
	}
	k.turn <- struct{}{}
	close(k.unheld)
	return k
}

// enter says that somebody claims or waits.
func (k *candidacy) enter() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users++
	if k.lapse != nil {
		k.lapse.Stop()
		k.lapse = nil
	}
}

// leave says that he doesn't any more.
func (k *candidacy) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users--
	if now := k.q.clk.Now().Add(k.grace); now.After(k.until) {
		k.until = now
	}
	k.rest()
}

// rest arms the lapse of a candidacy that nothing keeps alive; with the lock held.
func (k *candidacy) rest() {
	if k.users > 0 || k.holds > 0 || k.err != nil || k.lapse != nil {
		return
	}
	k.lapse = k.q.clk.AfterFunc(max(k.until.Sub(k.q.clk.Now()), 0), k.lapsed)
}

func (k *candidacy) lapsed() {
	k.end(errLapsed, func() bool {
		k.lapse = nil
		if k.users > 0 || k.holds > 0 {
			return false
		}
		if k.q.clk.Now().Before(k.until) { // extended since the timer was set
			k.rest()
			return false
		}
		return true
	})
}

// withdraw ends the candidacy whatever its state, for Close.
func (k *candidacy) withdraw() { k.end(ErrClosed, nil) }

// end ends the candidacy, if the condition, evaluated with the lock held, is met, and has its
// record deleted.
func (k *candidacy) end(why error, condition func() bool) {
	k.mu.Lock()
	if k.holds > 0 { // before it ends, so that no other candidacy of this process slips in between
		k.mu.Unlock()
		k.q.linger(k)
		k.mu.Lock()
	}
	if k.err != nil || condition != nil && !condition() {
		k.mu.Unlock()
		return
	}
	k.err = why
	if k.lease != nil {
		deadline := k.lease.Deadline()
		k.last.Store(&deadline)
	}
	close(k.over)
	if k.lapse != nil {
		k.lapse.Stop()
		k.lapse = nil
	}
	k.q.loops.Go(k.bury)
	claim := k.claim
	k.mu.Unlock()
	if claim != nil { // without the lock: a log may block
		k.q.cfg.Logger.Debug("claim ended", "election", k.c.Name, "holder", k.c.Holder, "token", claim.Token, "why", why)
	}
}

// bury deletes the record, after guarded work has stopped, until it is known gone. When the lease
// is over the store ends its session, and all its records with it. After Close the record is
// forgotten at least: the session may live on for others, and then the lease deletes it.
func (k *candidacy) bury() {
	k.mu.Lock()
	lease, unheld := k.lease, k.unheld
	k.mu.Unlock()
	select {
	case <-unheld:
	case <-k.q.ctx.Done():
		if held, _, _ := k.guards(); held {
			return // the last drop forgets it
		}
	}
	k.mu.Lock()
	record := k.record
	k.mu.Unlock()
	wait := 10 * time.Millisecond
	for lease != nil && record.Key != "" && lease.Valid() {
		err := lease.Delete(k.q.ctx, record)
		if err == nil {
			break
		}
		wait = min(wait*2, time.Second)
		timer := k.q.clk.NewTimer(wait/2 + chance.Upto(k.q.st.Rand(), wait/2))
		select {
		case <-timer.Chan():
		case <-lease.Lost():
		case <-k.q.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
	k.q.remove(k)
	close(k.gone)
}

// ended tells why the candidacy is over, nil if it isn't. It notices a lease that is over.
func (k *candidacy) ended() error {
	k.mu.Lock()
	lease, err := k.lease, k.err
	k.mu.Unlock()
	if err == nil && lease != nil && !lease.Valid() {
		err = lease.Err()
		k.end(err, nil)
	}
	return err
}

// tellLoss says, once, that a claim in force was lost; one that lapsed or was released wasn't.
func (k *candidacy) tellLoss() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.claim == nil || k.told || errors.Is(k.err, errLapsed) || errors.Is(k.err, errReleased) {
		return false
	}
	k.told = true
	return true
}

func (k *candidacy) wasInForce() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.claim != nil
}

// inForce gives the claim if it is the one in force and its lease is alive.
func (k *candidacy) inForce() (Claim, bool) {
	if k.ended() != nil {
		return Claim{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.claim == nil || k.err != nil {
		return Claim{}, false
	}
	return *k.claim, true
}

// grasp puts the claim in force and starts to attend to its record.
func (k *candidacy) grasp(token uint64) error {
	k.mu.Lock()
	if k.err != nil {
		defer k.mu.Unlock()
		return k.err
	}
	k.claim = &Claim{Candidate: k.c, Token: token}
	k.q.loops.Go(k.attend)
	k.mu.Unlock()
	k.q.cfg.Logger.Debug("claim in force", "election", k.c.Name, "holder", k.c.Holder, "token", token)
	return nil
}

// attend watches the record of a claim in force: it confirms in the record that the holder knows,
// hears requests to resign, and ends the claim when the record or the lease is no more. It waits for
// no request: one that hangs must not keep it from ending the claim.
func (k *candidacy) attend() {
	ctx, cancel := context.WithCancel(k.q.ctx)
	defer cancel()
	k.mu.Lock()
	lease, key := k.lease, k.record.Key
	k.mu.Unlock()
	broken := make(chan error, 1)
	k.q.loops.Go(func() { broken <- k.q.st.Watch(ctx, key, k.heard) })
	var retry <-chan time.Time
	confirming, more := false, false
	confirmed := make(chan error, 1)
	for {
		select {
		case <-k.over:
			return
		case <-ctx.Done():
			return
		case <-lease.Lost():
			k.end(lease.Err(), nil)
			return
		case <-k.news:
			if confirming {
				more = true
				continue
			}
			confirming, more = true, false
			k.q.loops.Go(func() { confirmed <- k.confirm(ctx) })
		case err := <-confirmed:
			confirming = false
			if more {
				k.tell()
			} else if err != nil && !errors.Is(err, store.ErrConflict) { // a conflict brings news of its own
				retry = k.q.clk.After(100 * time.Millisecond)
			}
		case <-retry:
			k.tell()
		case err := <-broken:
			if ctx.Err() == nil {
				k.q.cfg.Logger.Warn("the watch of a claim's record ended; its loss shows at the next renewal only", "election", k.c.Name, "err", err)
			}
		}
	}
}

func (k *candidacy) tell() {
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// heard takes an event of the record's watch.
func (k *candidacy) heard(e store.Event) {
	k.mu.Lock()
	own := k.record
	k.mu.Unlock()
	deleted := fmt.Errorf("%w: its record was deleted", ErrNotHeld)
	record := e.Record
	switch e.Kind {
	case store.EventSnapshot, store.EventReset:
		if e.Kind == store.EventSnapshot && e.Rev < own.CreateRev {
			return // from before the record: it will be told
		}
		if len(e.Records) == 0 {
			k.end(deleted, nil)
			return
		}
		record = e.Records[0]
	case store.EventDelete:
		k.end(deleted, nil)
		return
	case store.EventPut:
	default:
		return
	}
	if record.CreateRev != own.CreateRev {
		k.end(fmt.Errorf("%w: its record was replaced", ErrNotHeld), nil)
		return
	}
	var now entry
	if err := json.Unmarshal(record.Value, &now); err != nil {
		return
	}
	k.mu.Lock()
	if record.ModRev >= k.record.ModRev {
		k.record = record
	}
	if now.ResignAsked {
		select {
		case <-k.asked:
		default:
			close(k.asked)
		}
	}
	k.mu.Unlock()
	if now.Token == 0 {
		k.tell()
	}
}

// confirm writes into the record that its holder knows that it holds.
func (k *candidacy) confirm(ctx context.Context) error {
	k.mu.Lock()
	lease, record, claim := k.lease, k.record, *k.claim
	k.mu.Unlock()
	var now entry
	if err := json.Unmarshal(record.Value, &now); err != nil || now.Token != 0 {
		return nil
	}
	now.Token = claim.Token
	record, err := lease.Update(ctx, record, now.encode())
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if record.ModRev >= k.record.ModRev {
		k.record = record
	}
	return nil
}
