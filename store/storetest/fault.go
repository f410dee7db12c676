package storetest

import (
	"errors"
	"time"
)

// Op is an operation of a store.Driver, for faults and counters.
type Op string

// The operations that can be disturbed.
const (
	Proof  Op = "Proof"
	Grant  Op = "Grant"
	Renew  Op = "Renew"
	Revoke Op = "Revoke"
	Owned  Op = "Owned"
	Apply  Op = "Apply"
	List   Op = "List"
	Watch  Op = "Watch"
)

var allOps = []Op{Proof, Grant, Renew, Revoke, Owned, Apply, List, Watch}

// FaultKind says what goes wrong.
type FaultKind int

// The kinds of faults, and what each does to a call and to a watch.
const (
	// Hang: the call blocks, ignoring its context, until Heal, and then fails without having been
	// done. A watch says nothing and ignores its context until Heal; nothing is lost.
	Hang FaultKind = iota + 1
	// LateReply: the call blocks, ignoring its context, until Heal, and is done only then, also if
	// its caller gave up long ago: the ghost. For a watch it is Hang.
	LateReply
	// Fail: the call fails without being done, with Fault.Err (if nil: an error of unknown
	// outcome). A watch is cut: it goes stale, and at Heal it goes on with EventReset. If Err is
	// permanent (store.ErrInvalid, ErrUnauthorized, ErrClosed), a watch returns it.
	Fail
	// DropRequest: the request is lost: nothing is done, and the call fails with an error of
	// unknown outcome. A watch is cut.
	DropRequest
	// DropReply: the reply is lost: the call is done, and fails with an error of unknown outcome. A
	// watch is cut.
	DropReply
	// Delay: the call is done after Fault.Delay on the clock, or not at all if its context is done
	// before. A watch tells each event that much later, one after another. Heal ends the delay.
	Delay
)

// Fault is something that goes wrong from Inject until Heal.
type Fault struct {
	Kind  FaultKind
	Ops   []Op          // which operations; empty: all
	Calls int           // how many calls of them, the next ones; 0: all until Heal. Only for an unlimited fault do watches that run already suffer.
	Err   error         // Fail: the error
	Delay time.Duration // Delay: how long
}

// The errors of injected faults; none says anything of the outcome.
var (
	ErrInjected  = errors.New("storetest: injected failure")
	ErrNoReply   = errors.New("storetest: injected fault: no reply")
	ErrBrokenOff = errors.New("storetest: injected fault: hung, then broken off")
)

// err is what a call gets that the fault fails.
func (f Fault) err() error {
	switch {
	case f.Kind == Hang:
		return ErrBrokenOff
	case f.Kind != Fail:
		return ErrNoReply
	case f.Err != nil:
		return f.Err
	}
	return ErrInjected
}
