package zkstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// maxValue leaves room, in the 1 MiB that a server takes in one request, for all else that is in it.
const maxValue = 960 << 10

// ZooKeeper's conditions are on the version of a node's data, which begins anew when the node is made
// again, so that a write could hit a later record of the same key. Each write that makes a node sets a
// guard too, one of a few that stand for all keys; and each that needs a node to be the one that was
// read is done only if the guard has the version that was read before the node.

// Apply implements store.Driver. The writes are on their way all at once, each a request of its own.
func (d *driver) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if err := checkWrites(writes); err != nil {
		return nil, d.say("write", err)
	}
	if err := d.mayBegin(ctx, "write"); err != nil {
		return nil, err
	}
	outcomes := make([]store.Outcome, len(writes))
	parallel(len(writes), func(i int) {
		outcomes[i].Rev, outcomes[i].Err = d.write(ctx, writes[i])
	})
	return outcomes, nil
}

// checkWrites refuses what no store could do.
func checkWrites(writes []store.Write) error {
	seen := make(map[string]bool, len(writes))
	for i, w := range writes {
		err := checkKey(w.Key)
		switch {
		case err != nil:
		case w.Kind < store.Create || w.Kind > store.Delete:
			err = fmt.Errorf("the kind %d is unknown: %w", w.Kind, store.ErrInvalid)
		case seen[w.Key]:
			err = fmt.Errorf("the key %q is written twice: %w", w.Key, store.ErrInvalid)
		}
		if err != nil {
			return fmt.Errorf("write %d of %d: %w", i+1, len(writes), err)
		}
		seen[w.Key] = true
	}
	return nil
}

func (d *driver) write(ctx context.Context, w store.Write) (uint64, error) {
	what := fmt.Sprintf("write %q", w.Key)
	owned := w.Session != "" && w.Kind != store.Delete
	switch {
	case w.Kind != store.Delete && len(w.Value) > maxValue:
		return 0, d.say(what, fmt.Errorf("the value has %d bytes: use at most %d: %w", len(w.Value), maxValue, store.ErrInvalid))
	case w.Kind == store.Create && owned:
		return d.inName(ctx, what, w, func(c *client) (uint64, error) { return d.make(ctx, c, what, w) })
	case w.Kind == store.Create:
		l, err := d.linked(ctx, what)
		if err != nil {
			return 0, err
		}
		return d.make(ctx, l.client, what, w)
	}
	return d.change(ctx, what, w)
}

// inName does a write by the client of the session that the write names.
func (d *driver) inName(ctx context.Context, what string, w store.Write, do func(*client) (uint64, error)) (uint64, error) {
	s := d.session(w.Session)
	if s == nil {
		return 0, d.absent(ctx, what, w.Session)
	}
	done := s.try(w.Key)
	rev, err := do(s.client)
	done(err)
	if errors.Is(err, errNoMarker) {
		err = s.end(what)
	}
	return rev, err
}

// errNoMarker is why a write in a session's name was refused.
var errNoMarker = fmt.Errorf("the session has no marker any more (%w)", store.ErrSessionGone)

// tries bounds how often a bucket is made for one write, should each be deleted at once.
const tries = 10

// make creates a record.
func (d *driver) make(ctx context.Context, c *client, what string, w store.Write) (uint64, error) {
	node := &zk.CreateRequest{Path: d.nodeOf(w.Key), Data: encode(0, w.Value), Acl: d.cfg.acl()}
	ops := []any{&zk.SetDataRequest{Path: d.guardOf(w.Key), Version: -1}, node}
	if w.Session != "" {
		node.Flags = zk.FlagEphemeral
		ops = append(ops, &zk.CheckVersionRequest{Path: d.markerOf(w.Session), Version: -1})
	}
	for range tries {
		rev, failed, err := d.multi(ctx, c, what, ops)
		switch {
		case err == nil:
			return rev, nil
		case failed == 0:
			return 0, d.bare(ctx, err)
		case failed == 1 && errors.Is(err, zk.ErrNodeExists):
			return 0, d.say(what, store.ErrConflict)
		case failed == 1 && errors.Is(err, zk.ErrNoNode):
			if err := d.makeBucket(ctx, w.Key); err != nil {
				return 0, notDone(err)
			}
		case failed == 2 && errors.Is(err, zk.ErrNoNode):
			return 0, errNoMarker
		default:
			return 0, err
		}
	}
	return 0, d.say(what, fmt.Errorf("its bucket was deleted %d times: %w", tries, store.ErrRefused))
}

// bare is the error for a guard that couldn't be set.
func (d *driver) bare(ctx context.Context, err error) error {
	l, linkErr := d.linked(ctx, "write")
	if linkErr != nil {
		return notDone(linkErr)
	}
	return d.lacking(l, err)
}

// notDone is the error of a write that wasn't sent, because of a request that was to come before it.
func notDone(err error) error {
	if errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrGone) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, store.ErrUnreachable)
}

// standing is a record that is to be changed, and what must still hold then.
type standing struct {
	record store.Record
	moved  uint64 // see decode
	node   int32  // version
	guard  int32  // version
}

// change updates or deletes a record.
func (d *driver) change(ctx context.Context, what string, w store.Write) (uint64, error) {
	l, err := d.linked(ctx, what)
	if err != nil {
		return 0, err
	}
	for fresh := false; ; fresh = true {
		if fresh { // the server may lag behind
			if _, err := d.present(ctx, l); err != nil {
				return 0, notDone(err)
			}
		}
		now, there, err := d.stand(ctx, l, w.Key)
		if err != nil {
			return 0, notDone(err)
		}
		if !there || now.record.ModRev != w.If {
			if !fresh {
				continue
			}
			return 0, d.conflict(ctx, what, w)
		}
		rev, err := d.replace(ctx, l, what, w, now)
		if !errors.Is(err, errOvertaken) {
			return rev, err
		}
	}
}

// conflict is the error of a write whose condition doesn't hold. Who names a session that is gone hears
// of that.
func (d *driver) conflict(ctx context.Context, what string, w store.Write) error {
	if w.Kind == store.Update && w.Session != "" && d.session(w.Session) == nil {
		if err := d.absent(ctx, what, w.Session); errors.Is(err, store.ErrSessionGone) {
			return err
		}
	}
	return d.say(what, store.ErrConflict)
}

// stand reads a record: its guard first.
func (d *driver) stand(ctx context.Context, l *link, key string) (standing, bool, error) {
	var now standing
	guard, err := ask(ctx, l.client, "read a guard", func(z *zk.Conn) (*zk.Stat, error) {
		_, stat, err := z.Get(d.guardOf(key))
		return stat, err
	})
	if err != nil {
		return now, false, d.lacking(l, err)
	}
	n, err := l.look(ctx, place{d.nodeOf(key), recordPlace, key}, nil)
	if err != nil || !n.found {
		return now, false, err
	}
	now.record, now.moved, n.found = decode(key, n)
	now.node, now.guard = n.stat.Version, guard.Version
	return now, n.found, nil
}

// errOvertaken is why a write was refused that must be tried again.
var errOvertaken = errors.New("another write came first")

// replace does an update or a delete of a record that stands.
func (d *driver) replace(ctx context.Context, l *link, what string, w store.Write, now standing) (uint64, error) {
	path := d.nodeOf(w.Key)
	guard := &zk.CheckVersionRequest{Path: d.guardOf(w.Key), Version: now.guard}
	c := l.client
	var ops []any // what holds for all, then what is done, then the marker
	switch {
	case w.Kind == store.Delete:
		ops = []any{guard, &zk.DeleteRequest{Path: path, Version: now.node}, &zk.SetDataRequest{Path: d.path(clockNode), Version: -1}}
	case w.Session == now.record.Session:
		ops = []any{guard, &zk.SetDataRequest{Path: path, Data: encode(now.moved, w.Value), Version: now.node}}
	default: // an ephemeral node can't change its owner
		made := &zk.CreateRequest{Path: path, Data: encode(now.record.CreateRev, w.Value), Acl: d.cfg.acl()}
		if w.Session != "" {
			made.Flags = zk.FlagEphemeral
		}
		ops = []any{
			&zk.SetDataRequest{Path: guard.Path, Version: guard.Version},
			&zk.DeleteRequest{Path: path, Version: now.node}, made,
		}
	}
	marker := -1
	if w.Kind == store.Update && w.Session != "" {
		marker = len(ops)
		ops = append(ops, &zk.CheckVersionRequest{Path: d.markerOf(w.Session), Version: -1})
	}
	do := func(c *client) (uint64, error) {
		rev, failed, err := d.multi(ctx, c, what, ops)
		switch {
		case err == nil:
			return rev, nil
		case failed >= 0 && failed == marker && errors.Is(err, zk.ErrNoNode):
			return 0, errNoMarker
		case failed >= 0 && failed < 2 && (errors.Is(err, zk.ErrBadVersion) || errors.Is(err, zk.ErrNoNode)):
			return 0, errOvertaken
		}
		return 0, err
	}
	if w.Kind == store.Update && w.Session != "" && w.Session != now.record.Session {
		return d.inName(ctx, what, w, do)
	}
	rev, err := do(c)
	if errors.Is(err, errNoMarker) {
		err = d.say(what, err)
	}
	return rev, err
}

// multi does several things or none. It gives the revision, which one of them has that sets something;
// or which of them couldn't be done, and why; -1: that isn't known.
func (d *driver) multi(ctx context.Context, c *client, what string, ops []any) (rev uint64, failed int, err error) {
	answers, err := ask(ctx, c, what, func(z *zk.Conn) ([]zk.MultiResponse, error) { return z.Multi(ops...) })
	for i, a := range answers {
		switch {
		case a.Error != nil:
			return 0, i, err
		case a.Stat != nil:
			rev = max(rev, uint64(a.Stat.Mzxid))
		}
	}
	return rev, -1, err
}
