package consulstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/muster-go/muster/store"
)

// lockDelay is for how long the keys of a session that has ended can't be locked: the shortest, since
// none at all would mean Consul's usual 15 s.
const lockDelay = time.Millisecond

// sessionName is how a session's ID looks. It becomes a part of a URL.
var sessionName = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func isSession(id store.SessionID) bool { return sessionName.MatchString(string(id)) }

// Grant implements store.Driver. The session has no health checks: the usual one, of the agent's node,
// would end it early.
func (d *driver) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	if err := d.limits.Check(ttl); err != nil {
		return "", fmt.Errorf("%s: %w", d.name, err)
	}
	id := ""
	err := d.ask(ctx, "create a session", callTime, func(ctx context.Context) (err error) {
		id, _, err = d.client.Session().CreateNoChecks(&api.SessionEntry{
			Name: "muster", Node: d.a.node, TTL: ttl.String(),
			Behavior: api.SessionBehaviorDelete, LockDelay: lockDelay,
		}, d.writing(ctx))
		return err
	})
	if err != nil {
		return "", err
	}
	if !isSession(store.SessionID(id)) {
		return "", fmt.Errorf("%s: create a session: it was named %q, which is no session's name", d.name, id)
	}
	return store.SessionID(id), nil
}

// Renew implements store.Driver. One that finds its connection dead is repeated at once: renewing twice
// harms nobody. That a session is gone is believed only when a consistent read knows of it too: a leader
// that is new answers before it has read all that was committed.
func (d *driver) Renew(ctx context.Context, id store.SessionID) error {
	if err := d.mayBegin(ctx, "renew"); err != nil {
		return err
	}
	if !isSession(id) {
		return fmt.Errorf("%s: renew %q: %w", d.name, id, store.ErrSessionGone)
	}
	var wait backoff
	for again := true; ; {
		var entry *api.SessionEntry
		err := d.ask(ctx, "renew", callTime, func(ctx context.Context) (err error) {
			entry, _, err = d.client.Session().Renew(string(id), d.writing(ctx))
			return err
		})
		switch {
		case err == nil && entry == nil:
			there, err := d.exists(ctx, id)
			if err != nil {
				return err
			}
			if !there {
				return fmt.Errorf("%s: renew %s: %w", d.name, id, store.ErrSessionGone)
			}
			wait.sleep(ctx, d)
		case err == nil || !again || ctx.Err() != nil || errors.Is(err, errNoAnswer) || known(err):
			return err
		default:
			again = false
		}
	}
}

// known tells whether the error's class says what became of a request.
func known(err error) bool { return errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrGone) }

// Revoke implements store.Driver. A leader that is new may not know yet of a session that is there, and
// says that it is gone; a consistent read waits until it knows.
func (d *driver) Revoke(ctx context.Context, id store.SessionID) error {
	if err := d.mayBegin(ctx, "destroy a session"); err != nil || !isSession(id) {
		return err
	}
	var wait backoff
	for {
		err := d.ask(ctx, "destroy a session", callTime, func(ctx context.Context) error {
			_, err := d.client.Session().Destroy(string(id), d.writing(ctx))
			return err
		})
		if err != nil {
			return err
		}
		if there, err := d.exists(ctx, id); err != nil || !there {
			return err
		}
		wait.sleep(ctx, d)
	}
}

// exists asks for a session, consistently.
func (d *driver) exists(ctx context.Context, id store.SessionID) (bool, error) {
	var entry *api.SessionEntry
	err := d.ask(ctx, "read a session", callTime, func(ctx context.Context) (err error) {
		entry, _, err = d.client.Session().Info(string(id), d.reading(ctx))
		return err
	})
	return entry != nil, err
}

// Owned implements store.Driver. Consul has no list of what a session owns: all records are read.
func (d *driver) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	if err := d.mayBegin(ctx, "read what a session owns"); err != nil || !isSession(id) {
		return nil, err
	}
	all, err := d.List(ctx, "")
	if err != nil {
		return nil, err
	}
	owned := []store.Record{}
	for _, r := range all.Records {
		if r.Session == id {
			owned = append(owned, r)
		}
	}
	return owned, nil
}

func (d *driver) writing(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{Datacenter: d.a.datacenter}).WithContext(ctx)
}

func (d *driver) reading(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{Datacenter: d.a.datacenter, RequireConsistent: true}).WithContext(ctx)
}
