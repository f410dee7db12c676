package store

// Error is the type of this package's error constants; compare with errors.Is.
//
// An error of a write falls in one of three classes, and exactly one of the first two is in the
// chain of every error whose outcome is known:
//
//   - ErrRefused: nothing happened and nothing will.
//   - ErrGone: what was yours isn't any more (a session, a store after Close).
//   - anything else: unknown; the write may have happened, or may yet happen.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// Is makes the detailed constants match their class.
func (e Error) Is(target error) bool {
	class, ok := target.(Error)
	if !ok {
		return false
	}
	if e == class {
		return true
	}
	switch class {
	case ErrRefused:
		return e == ErrConflict || e == ErrInvalid || e == ErrUnauthorized || e == ErrClosed || e == ErrUnreachable
	case ErrGone:
		return e == ErrSessionGone
	}
	return false
}

// The classes.
const (
	// ErrRefused is the class of errors after which nothing happened and nothing will.
	ErrRefused Error = "refused"
	// ErrGone is the class of errors that say that what was yours isn't any more.
	ErrGone Error = "gone"
)

// The details.
const (
	// ErrConflict (refused): the condition of a write did not hold.
	ErrConflict Error = "condition not met"
	// ErrInvalid (refused, permanent): the request can never succeed as it is.
	ErrInvalid Error = "invalid"
	// ErrUnauthorized (refused, permanent): credentials are missing, wrong or insufficient.
	ErrUnauthorized Error = "unauthorized"
	// ErrClosed (refused, permanent): the store was closed by this process.
	ErrClosed Error = "store closed"
	// ErrUnreachable (refused): the request was surely never sent.
	ErrUnreachable Error = "store unreachable"
	// ErrSessionGone (gone): the session expired or was revoked.
	ErrSessionGone Error = "session gone"
)
