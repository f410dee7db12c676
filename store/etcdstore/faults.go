package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/muster-go/muster/store"
)

// What ends a watch's connection, or a watch, without the service's saying so.
var (
	errWentBack = errors.New("the store's revision ran backwards")
	errBehind   = errors.New("too much has happened that wasn't taken yet")
	errToken    = errors.New("the stream's token was forgotten")
	errRetired  = errors.New("an earlier answer did not come in time")
)

// fault says what became of a request that failed: its class (see store.Error), or none if it may
// have been done. sent says that it may have left.
func (d *driver) fault(ctx context.Context, what string, sent bool, err error) error {
	err = d.explain(err)
	say := func(class error) error { return fmt.Errorf("%s: %s: %w (%w)", d.name, what, err, class) }
	switch {
	case errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrGone):
		return fmt.Errorf("%s: %s: %w", d.name, what, err)
	case d.ctx.Err() != nil && !sent:
		return store.ErrClosed
	case d.ctx.Err() != nil:
		return fmt.Errorf("%s: %s: the store was closed before the answer came", d.name, what)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	if sent {
		return fmt.Errorf("%s: %s: %w", d.name, what, err)
	}
	return say(store.ErrUnreachable)
}

// explain gives an error of etcd's in a user's words, with its class if it has one by itself.
func (d *driver) explain(err error) error {
	return explain(err, d.root(), d.cfg.Client.Username != "")
}

func explain(err error, root string, hasUser bool) error {
	known := rpctypes.Error(err)
	unauthorized := func(mend string) error {
		return fmt.Errorf("%w: %s: %w", plain(known), mend, store.ErrUnauthorized)
	}
	switch {
	case is(known, rpctypes.ErrUserEmpty) && !hasUser: // else the client gets a token
		return unauthorized("name a user and a password file, or a client certificate, in the store's URL")
	case is(known, rpctypes.ErrAuthFailed, rpctypes.ErrUserNotFound):
		return unauthorized("check the user and the password")
	case is(known, rpctypes.ErrPermissionDenied, rpctypes.ErrPermissionNotGranted):
		return unauthorized(fmt.Sprintf("grant the user's role readwrite on the keys with the prefix %q", root))
	case is(known, rpctypes.ErrInvalidAuthToken) && !hasUser:
		return unauthorized("give the client a token that is valid")
	case is(known, rpctypes.ErrLeaseNotFound):
		return fmt.Errorf("%w: %w", plain(known), store.ErrSessionGone)
	case tooMuch(known) || is(known, rpctypes.ErrEmptyKey, rpctypes.ErrDuplicateKey, rpctypes.ErrLeaseTTLTooLarge):
		return fmt.Errorf("%w: %w", plain(known), store.ErrInvalid)
	case is(known, rpctypes.ErrTooManyRequests):
		return fmt.Errorf("%w: %w", plain(known), store.ErrRefused)
	case is(known, rpctypes.ErrNoLeader): // said by a member before it does anything
		return fmt.Errorf("%w: %w", plain(known), store.ErrUnreachable)
	case is(known, rpctypes.ErrNoSpace): // what was asked for may have been done all the same
		return fmt.Errorf("%w: compact and defragment it, then disarm its alarm", plain(known))
	}
	return plain(known)
}

// tooMuch says that the server takes less than this in one request, and did nothing. (Answers may have
// any size.)
func tooMuch(err error) bool {
	return is(err, rpctypes.ErrRequestTooLarge, rpctypes.ErrTooManyOps) ||
		status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "message larger than max")
}

func is(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// plainError is an error without gRPC's wrapping paper around its words.
type plainError struct {
	text string
	error
}

func (e plainError) Error() string { return e.text }
func (e plainError) Unwrap() error { return e.error }

// plain unwraps the words of an error, not its chain.
func plain(err error) error {
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
	}
	for _, paper := range []string{`desc = "`, "desc = ", "error while dialing: ", "Error while dialing: ", "authentication handshake failed: "} {
		if _, inner, ok := strings.Cut(text, paper); ok {
			text = strings.TrimSuffix(inner, `"`)
		}
	}
	return plainError{strings.TrimPrefix(strings.ReplaceAll(text, `\"`, `"`), "etcdserver: "), err}
}

// cancelled is the error behind the reason that etcd gives for ending a watch.
func cancelled(reason string) error {
	if _, inner, ok := strings.Cut(reason, "desc = "); ok {
		reason = inner
	}
	if reason == "" {
		reason = "the watch was ended by the server"
	}
	return status.Error(codes.Unknown, reason)
}
