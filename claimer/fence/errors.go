package fence

import (
	"fmt"
	"math"

	"github.com/muster-go/muster/claimer"
)

// Error is the type of this package's error constants; compare with errors.Is.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// The errors of a fence.
const (
	// ErrStale: a greater token was seen. *StaleError has the details.
	ErrStale Error = "stale token"
	// ErrInvalid: the request can never succeed as it is.
	ErrInvalid = claimer.ErrInvalid
)

// StaleError says that a write was refused, and nothing was written, because its token is below the
// fence: another leads by now, or has led since.
type StaleError struct {
	What  string // what is protected
	Token uint64 // of the write
	Fence uint64 // the greatest token seen
}

// Error implements error.
func (e *StaleError) Error() string {
	return fmt.Sprintf("%s: token %d is stale: %d was seen, so another has led since: claim again before writing", e.What, e.Token, e.Fence)
}

// Is makes errors.Is(err, ErrStale) hold.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// CheckToken refuses, with ErrInvalid, what is no claim's token: 0, and numbers that a database's
// 64-bit integers can't hold.
func CheckToken(what string, token uint64) error {
	switch {
	case token == 0:
		return fmt.Errorf("%s: token 0: no claim has it: pass the Token of a claim in force: %w", what, ErrInvalid)
	case token > math.MaxInt64:
		return fmt.Errorf("%s: token %d: no claim has one above %d: %w", what, token, math.MaxInt64, ErrInvalid)
	}
	return nil
}
