package engine

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

var (
	errNilWorker = errors.New("its Start returned no worker and no error: return one of them")
	errGoexit    = errors.New("runtime.Goexit was called in Start or Wait (by t.FailNow, perhaps): return an error instead")
)

// StuckError is what Wait returns when the engine ended without some of its workers, which go on
// until the process exits. Uninstall returns it too.
type StuckError struct {
	// Stuck are the manifolds whose worker ignored Kill, or whose Start didn't return, or whose Report
	// doesn't. Ordered by name.
	Stuck []string
	// Left are those that were left running because what they guard goes on in a stuck worker: the
	// manifolds that wait in Vacate, and all that they stand on. Ordered by name.
	Left []string
}

// Error implements error.
func (e *StuckError) Error() string {
	text := "engine: stopped without " + strings.Join(e.Stuck, ", ") + ", stuck: they ignored Kill, or their Start or Report didn't return"
	if len(e.Left) > 0 {
		text += "; left running, since they guard what is stuck: " + strings.Join(e.Left, ", ")
	}
	return text + "; exit the process"
}

// PanicError is a panic of a manifold's code, as the error that it became.
type PanicError struct {
	// In is the function that panicked: Start, Wait, Kill, Report, Output, Filter, Check, Reason,
	// IsFatal, or Is or Unwrap of an error.
	In string
	// Value is what was given to panic.
	Value any
	// Stack is the stack at the panic.
	Stack []byte
}

// Error implements error, in one line; the stack isn't part of it.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in %s: %v", e.In, e.Value) }

// Unwrap gives Value, if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// guard calls f, which is a user's code, and turns its panic into a PanicError.
func guard(in string, f func()) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if value := recover(); value != nil {
			err = &PanicError{In: in, Value: value, Stack: debug.Stack()}
		}
	}()
	f()
	returned = true
	return nil
}

// textOf gives an error's text, whatever its Error method does.
func textOf(err error) (text string) {
	if err == nil {
		return ""
	}
	if panicked := guard("Error", func() { text = err.Error() }); panicked != nil {
		return fmt.Sprintf("%T: %v", err, panicked)
	}
	return text
}
