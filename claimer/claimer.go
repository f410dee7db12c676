package claimer

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-go/muster/store"
)

// Claimer grants exclusive, time-limited claims by name. These three methods are all that a
// user's own backend needs.
type Claimer interface {
	// Claim asks that the candidate hold its name for at least d from the moment of the call.
	// Asking again extends it. *DeniedError (errors.Is ErrDenied; carries the present holder's
	// claim, if known) means: surely not held. ErrInvalid, ErrUnauthorized, ErrClosed are
	// permanent. Any other error says nothing about the outcome.
	Claim(ctx context.Context, c Candidate, d time.Duration) (Claim, error)
	// Release gives the claim up at once. ErrNotHeld if it is no longer (or never was) the one in
	// force.
	Release(ctx context.Context, c Claim) error
	// WaitReleased returns nil when the name is free or it is worth calling Claim again.
	WaitReleased(ctx context.Context, c Candidate) error
}

// Keeper is what a Claimer can offer beyond the three methods: a tracker over one that does hears
// of a lost claim at once, and keeps the claim alive for as long as guarded work runs. *Queue is
// one.
type Keeper interface {
	Claimer
	// Hold takes a counted hold on a claim in force; ErrNotHeld if it isn't. See Hold.
	Hold(c Claim) (Hold, error)
}

// Hold is one count of guarded work on a claim. While a claim is held it goes on being renewed,
// even if nobody extends it, Release waits, and the process does not stand for the name again.
type Hold interface {
	// Deadline is the moment up to which no other candidate can hold the name. It moves on as the
	// claim is renewed and stays where it is once the claim is lost; it has no monotonic reading.
	// Compare it with the Claimer's clock.
	Deadline() time.Time
	// Lost is closed when the claim is over: its guarantee ended or it is no longer in the store.
	Lost() <-chan struct{}
	// ResignAsked is closed when somebody asked the holder to resign.
	ResignAsked() <-chan struct{}
	// Release drops the count. Calling it again is harmless.
	Release()
}

// Candidate is who stands for what.
type Candidate struct {
	Name, Holder string            // the election, and who stands for it
	Attributes   map[string]string // what the holder says of itself (address, port, version, …)
}

// Claim is a name held by a candidate.
type Claim struct {
	Candidate
	Token uint64 // fencing token: strictly greater at every change of holder
}

// Error is the type of this package's error constants; compare with errors.Is.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// The errors of a Claimer.
const (
	// ErrDenied: the candidate surely doesn't hold the name. *DeniedError has the details.
	ErrDenied Error = "denied"
	// ErrNotHeld: the claim is no longer, or never was, the one in force.
	ErrNotHeld Error = "not held"
)

// The permanent errors, shared with the store.
const (
	ErrInvalid      = store.ErrInvalid
	ErrUnauthorized = store.ErrUnauthorized
	ErrClosed       = store.ErrClosed
)

// DeniedError says that the candidate surely doesn't hold the name, and why.
type DeniedError struct {
	Name   string
	Holder *Claim // who holds it, if known
	Reason string // why, if it isn't simply held by another
	// AtMost is, if known, how long it can take until the name can be claimed should its holder
	// stop answering now, or until Reason has passed.
	AtMost time.Duration
}

// Error implements error.
func (e *DeniedError) Error() string {
	switch {
	case e.Reason != "":
		return fmt.Sprintf("claim of %q denied: %s", e.Name, e.Reason)
	case e.Holder != nil:
		return fmt.Sprintf("claim of %q denied: held by %s (token %d)", e.Name, e.Holder.Holder, e.Holder.Token)
	}
	return fmt.Sprintf("claim of %q denied", e.Name)
}

// Is makes errors.Is(err, ErrDenied) hold.
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }
