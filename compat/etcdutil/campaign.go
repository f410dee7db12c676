package etcdutil

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// everybody is the prefix of the candidates' keys, which are named after their leases: what stands before
// that, keysOf the election, is the driver's business.
const everybody = ""

var errVanished = errors.New("its key is gone")

// run is the candidate's life: it stands, with one lease after the other, until it is closed.
func (e *Election) run() {
	var watch sync.WaitGroup
	watch.Go(e.watch)
	for e.ctx.Err() == nil {
		err := e.stand()
		if err == nil || e.ctx.Err() != nil {
			continue
		}
		if permanent(err) && !e.troubled {
			e.troubled = true
			e.fail(fmt.Errorf("etcdutil: election %q: %w", e.conf.Election, err))
		}
		e.keeper.pause(e.ctx)
	}
	watch.Wait()
	e.finish()
}

// watch keeps the crowd up to date.
func (e *Election) watch() {
	for e.ctx.Err() == nil {
		err := e.keeper.st.Watch(e.ctx, everybody, e.crowd.heard)
		if e.ctx.Err() != nil {
			return
		}
		e.conf.Logger.Warn("etcdutil: the watch of an election ended; trying on", "election", e.conf.Election, "err", err)
		if permanent(err) {
			e.crowd.refused(err)
		}
		e.keeper.pause(e.ctx)
	}
}

// stand stands with one lease, until that is over or was given up. An error says that it didn't come
// to stand.
func (e *Election) stand() error {
	if err := e.crowd.blind(); err != nil {
		return err // nobody stands who can't see the others
	}
	lease, err := e.keeper.lease(e.ctx)
	if err != nil {
		return err
	}
	own, err := lease.Create(e.ctx, string(lease.ID()), []byte(e.conf.Candidate))
	if err != nil {
		if e.ctx.Err() != nil {
			return err // finish gives the lease up
		}
		// The key may come to be there all the same; but not after its lease.
		return errors.Join(err, e.keeper.renounce())
	}
	c := &candidacy{Election: e, lease: lease, own: own}
	defer func() { e.before = own.Key }()
	return c.run()
}

// candidacy is one key's.
type candidacy struct {
	*Election
	lease *store.Lease
	own   store.Record

	retry   <-chan time.Time
	leading bool
}

// run follows the election until the lease is over, conceded or of no use, or the election is closed.
// While the candidate leads it waits for nothing but these: no request keeps it from telling a loss.
func (c *candidacy) run() error {
	for standing := true; standing; {
		select {
		case <-c.lease.Lost():
			c.lost(c.lease.Err())
			return nil
		case <-c.ctx.Done():
			return nil
		default:
		}
		if done, err := c.look(); done {
			return err
		}
		select {
		case <-c.lease.Lost():
		case <-c.ctx.Done():
		case <-c.crowd.news:
		case <-c.retry:
		case answer := <-c.concedes:
			standing = !c.concede(answer)
		}
	}
	return c.keeper.renounce()
}

// look takes in what the watch has told. It says done when there is nothing left to stand with.
func (c *candidacy) look() (done bool, err error) {
	c.retry = nil
	if err := c.crowd.blind(); err != nil && !c.leading {
		return true, errors.Join(err, c.keeper.renounce())
	}
	queue, rev := c.crowd.queue()
	if rev < c.own.CreateRev {
		return false, nil // it tells of a time before the key
	}
	switch place(queue, c.own) {
	case 0:
		if c.leading {
			return false, nil
		}
		return c.decide()
	case -1:
		c.lost(errVanished)
		return true, c.keeper.renounce()
	}
	if c.leading { // somebody came before, which only another past of etcd's can explain
		c.lost(errors.New("another candidate stands before it"))
		return true, c.keeper.renounce()
	}
	c.follow(queue[0])
	return false, nil
}

// follow tells of another leader, if that is news. What is left of this candidate's own last key leads
// nobody.
func (c *candidacy) follow(leader store.Record) {
	c.troubled = false
	if leader.Key == c.before || leader.Key == c.leader.Key && string(leader.Value) == string(c.leader.Value) {
		return
	}
	c.leader = leader
	c.tell(ElectionEvent{LeaderKey: keysOf(c.conf.Election) + leader.Key, LeaderData: string(leader.Value)})
}

// decide leads if a read that shows the own key shows it first (R9), and etcd wasn't restored
// lately under the eyes of this process (R5).
func (c *candidacy) decide() (done bool, err error) {
	snap, _, err := c.lease.Decide(c.ctx, everybody)
	var young *store.YoungError
	switch {
	case errors.As(err, &young):
		c.conf.Logger.Warn("etcdutil: nobody of this process leads yet", "election", c.conf.Election, "why", young.Reason, "wait", young.Wait)
		c.retry = c.conf.Clock.After(min(young.Wait, c.ttl/4))
		return false, nil
	case err != nil: // a lease that is over shows by itself
		c.conf.Logger.Debug("etcdutil: it can't be read who leads; trying on", "election", c.conf.Election, "err", err)
		c.retry = c.conf.Clock.After(again)
		return false, nil
	}
	if place(candidates(snap.Records), c.own) != 0 {
		// The watch will tell; unless that has been told already, in another past.
		c.retry = c.conf.Clock.After(again)
		return false, nil
	}
	if !c.lead(c.lease) {
		return false, nil // closed
	}
	c.leading, c.leader, c.troubled = true, store.Record{}, false
	c.conf.Logger.Debug("etcdutil: leads", "election", c.conf.Election, "key", c.own.Key)
	c.tell(ElectionEvent{IsLeader: true, LeaderKey: keysOf(c.conf.Election) + c.own.Key, LeaderData: c.conf.Candidate})
	return false, nil
}

// lost tells of leadership lost, if there was any.
func (c *candidacy) lost(why error) {
	if !c.leading {
		return
	}
	c.leading = false
	c.conf.Logger.Warn("etcdutil: leads no more", "election", c.conf.Election, "key", c.own.Key, "err", why)
	if c.lower() {
		c.tell(ElectionEvent{})
	}
}

// concede gives leadership up, if there is any, and says whether it did. The key is deleted by itself
// first, so that the next in the queue needn't wait for the lease's end; the lease's end then sees to
// it that nothing of this key comes back.
func (c *candidacy) concede(answer chan<- concession) bool {
	if !c.leading || !c.IsLeader() {
		answer <- concession{}
		return false
	}
	c.lower()
	c.leading = false
	c.tell(ElectionEvent{})
	c.flush()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	defer c.conf.Clock.AfterFunc(patience, cancel).Stop()
	err := c.lease.Delete(ctx, c.own)
	if err != nil && c.lease.Valid() {
		err = fmt.Errorf("etcdutil: election %q: leads no more, but others may have to wait for the TTL, %v: %w", c.conf.Election, c.ttl, err)
	} else {
		err = nil // gone with its lease, at the latest
	}
	answer <- concession{true, err}
	return true
}
