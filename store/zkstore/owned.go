package zkstore

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// attempt is what was tried to be written in a session's name.
type attempt struct {
	busy    int  // requests under way
	unknown bool // one may yet be done
	seen    bool // none was under way when the keys were last asked for, nor began since
}

// Revoke implements store.Driver. Without its marker nothing is written in the session's name any more;
// then what it owns is deleted, wherever its connection is.
func (d *driver) Revoke(ctx context.Context, id store.SessionID) error {
	const what = "revoke a session"
	if err := d.mayBegin(ctx, what); err != nil {
		return err
	}
	if !named(id) {
		return nil
	}
	l, err := d.linked(ctx, what)
	if err != nil {
		return err
	}
	_, err = ask(ctx, l.client, what, func(z *zk.Conn) (struct{}, error) { return struct{}{}, z.Delete(d.markerOf(id), -1) })
	gone := errors.Is(err, zk.ErrNoNode)
	if err != nil && !gone {
		return err
	}
	d.mu.Lock()
	s := d.sessions[id]
	d.mu.Unlock()
	if s != nil {
		_ = s.end(what)
	}
	for {
		owned, err := d.owned(ctx, id, s)
		if err != nil || len(owned) == 0 {
			return err
		}
		writes := make([]store.Write, len(owned))
		for i, r := range owned {
			writes[i] = store.Write{Kind: store.Delete, Key: r.Key, If: r.ModRev}
		}
		outcomes, err := d.Apply(ctx, writes)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			if o.Err != nil && !errors.Is(o.Err, store.ErrConflict) {
				return o.Err
			}
		}
	}
}

// Owned implements store.Driver. Of a session of the driver's only those keys are read that it tried to
// write; of another one, all that there are.
func (d *driver) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	if err := d.mayBegin(ctx, "read what a session owns"); err != nil {
		return nil, err
	}
	if !named(id) {
		return nil, nil
	}
	return d.owned(ctx, id, d.session(id))
}

func (d *driver) owned(ctx context.Context, id store.SessionID, s *session) ([]store.Record, error) {
	prefixes := []string{""}
	if s != nil {
		if prefixes = s.tried(); len(prefixes) == 0 {
			return nil, nil
		}
	}
	snapshot, err := d.read(ctx, "read what a session owns", prefixes...)
	if err != nil {
		return nil, err
	}
	var owned []store.Record
	for _, r := range snapshot.Records {
		if r.Session == id {
			owned = append(owned, r)
		}
	}
	if s != nil {
		s.prune(prefixes, owned)
	}
	return owned, nil
}

// tried gives the keys that may have been written in the session's name.
func (s *session) tried() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.Collect(maps.Keys(s.keys))
	for _, key := range keys {
		s.keys[key].seen = s.keys[key].busy == 0
	}
	return keys
}

// try notes that a key is about to be written in the session's name; done says what became of it.
func (s *session) try(key string) (done func(err error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.keys[key]
	if a == nil {
		a = &attempt{}
		s.keys[key] = a
	}
	a.busy++
	a.seen = false
	return func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		a.busy--
		if err != nil && !errors.Is(err, store.ErrRefused) && !errors.Is(err, store.ErrGone) {
			a.unknown = true
		}
	}
}

// prune forgets keys that were read, and that the session doesn't own, unless it may yet come to.
func (s *session) prune(read []string, owned []store.Record) {
	kept := make(map[string]bool, len(owned))
	for _, r := range owned {
		kept[r.Key] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range read {
		if a := s.keys[key]; a != nil && a.seen && a.busy == 0 && !a.unknown && !kept[key] {
			delete(s.keys, key)
		}
	}
}
