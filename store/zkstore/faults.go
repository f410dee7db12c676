package zkstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// say puts the store's name, and what was tried, before an error.
func (d *driver) say(what string, err error) error {
	if errors.Is(err, store.ErrClosed) {
		return store.ErrClosed
	}
	return fmt.Errorf("%s: %s: %w", d.name, what, err)
}

// refused are answers after which nothing was done.
var refused = []error{zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNotEmpty, zk.ErrNoChildrenForEphemerals}

// shortened is why a session can't have the timeout that it needs.
func shortened(most time.Duration) error {
	return fmt.Errorf("keeps sessions for at most %v, others for longer: set maxSessionTimeout to one value on all servers", most)
}

// explain gives an error of the library's, or of a server's, its class, if it has one.
func (c *client) explain(err error) error {
	cfg := c.d.cfg
	class := func(mend string, class error) error { return fmt.Errorf("%w: %s (%w)", err, mend, class) }
	switch {
	case errors.Is(err, zk.ErrNoAuth):
		if cfg.user == "" {
			return class(fmt.Sprintf("name the user that %s belongs to, and a password file, in the store's URL", cfg.shownRoot()), store.ErrUnauthorized)
		}
		return class(fmt.Sprintf("check the user, the password, and the ACL of %s", cfg.shownRoot()), store.ErrUnauthorized)
	case errors.Is(err, zk.ErrAuthFailed):
		return class("the server doesn't know digest authentication", store.ErrUnauthorized)
	case errors.Is(err, zk.ErrInvalidACL):
		return class("the server doesn't take the ACL", store.ErrInvalid)
	case errors.Is(err, zk.ErrInvalidPath), errors.Is(err, zk.ErrShortBuffer), errors.Is(err, zk.ErrBadArguments):
		return fmt.Errorf("%w (%w)", err, store.ErrInvalid)
	case errors.Is(err, zk.ErrSessionExpired) && !c.session: // nobody's but the link's own
		return fmt.Errorf("%w: that of the connection, not of the store (%w)", err, store.ErrRefused)
	case errors.Is(err, zk.ErrSessionExpired):
		return fmt.Errorf("%w (%w)", err, store.ErrSessionGone)
	}
	for _, answer := range refused {
		if errors.Is(err, answer) {
			return fmt.Errorf("%w (%w)", err, store.ErrRefused)
		}
	}
	return err
}

// permanent tells whether asking again can't help.
func permanent(err error) bool {
	return errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized) || errors.Is(err, store.ErrClosed)
}
