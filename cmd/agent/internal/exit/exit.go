// Package exit says with which code the agent exits, and why.
package exit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/muster-go/muster/store"
)

// The codes of the agent itself; beside them, `agent run` passes on the code of its command.
const (
	OK          = 0
	No          = 1   // the answer is no: nobody stands, nobody leads
	Usage       = 64  // words: an unknown command or flag, a missing argument
	Unavailable = 69  // the store wasn't reached in time
	Software    = 70  // a fault of the agent
	NotYet      = 75  // not in time, try again: leadership not acquired, a resignation not seen
	Denied      = 77  // credentials or permissions
	Value       = 78  // a value that can't be used, wherever it was given
	Lost        = 80  // leadership was lost, with --on-lost=exit
	NoCommand   = 127 // the command doesn't exist or can't be started
	Signalled   = 128 // plus the number of the signal
)

// Error is an error with the code to exit with. Err may be nil: then there is nothing to say.
type Error struct {
	Code int
	Err  error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap gives the error within.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error; its arguments are those of fmt.Errorf.
func Errorf(code int, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Silent makes an Error with nothing to say.
func Silent(code int) error {
	if code == OK {
		return nil
	}
	return &Error{Code: code}
}

// BySignal is the outcome of a run that a signal ended.
func BySignal(s syscall.Signal) error { return Silent(Signalled + int(s)) }

// Code gives the exit code of an error: what an Error in its chain says, else what the class of
// the store's error calls for.
func Code(err error) int {
	var coded *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &coded):
		return coded.Code
	case errors.Is(err, store.ErrInvalid):
		return Value
	case errors.Is(err, store.ErrUnauthorized):
		return Denied
	case errors.Is(err, store.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Software
}

// Message gives the one line to show for an error; empty if there is nothing to say. The class of
// a store's error, which the exit code tells, is left out.
func Message(err error) string {
	var coded *Error
	if err == nil || errors.As(err, &coded) && coded.Err == nil {
		return ""
	}
	message := err.Error()
	for _, class := range []error{store.ErrInvalid, store.ErrUnauthorized, store.ErrUnreachable} {
		message = strings.TrimSuffix(message, ": "+class.Error())
	}
	return strings.Join(strings.Fields(message), " ")
}
