package history_test

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkTime bounds porcupine's search for an order.
const checkTime = time.Minute

// What a worker does.
const (
	opAcquire = "acquire" // waits until it leads
	opCheck   = "check"   // asks whether it leads
	opRelease = "release" // gives leadership up
	opWrite   = "write"   // writes to the register
	opRead    = "read"    // reads the register
)

// What came of it.
const (
	yes      = "yes"      // acquire, check: it leads; release: it doesn't any more
	no       = "no"       // acquire, check: it doesn't
	accepted = "accepted" // write
	refused  = "refused"  // write: surely not written, for its token
	failed   = "failed"   // write, read: surely not done, for another reason
	unknown  = ""         // may have been done, or may be yet, until the end
)

// operation is one thing that a worker did.
type operation struct {
	worker, lane int // a lane is one goroutine of a worker's
	what         string
	token        uint64 // the claim's; of a release 0
	value        string // that was written or read
	seen         uint64 // the fence that a read or a refused write met
	outcome      string
	call, ret    int64 // CLOCK_BOOTTIME; ret is 0 if no return was noted
	until        int64 // check: what a ticket guaranteed
}

func (op operation) String() string {
	outcome := op.outcome
	if outcome == unknown {
		outcome = "?"
	}
	switch op.what {
	case opWrite:
		if op.outcome == refused {
			outcome = fmt.Sprintf("refused: fence %d", op.seen)
		}
		return fmt.Sprintf("write(%d, %s) → %s", op.token, op.value, outcome)
	case opRead:
		return fmt.Sprintf("read() → %d, %s", op.seen, op.value)
	case opRelease:
		return "release()"
	}
	return fmt.Sprintf("%s(%d) → %s", op.what, op.token, outcome)
}

// end is a moment after all operations.
func end(ops []operation) int64 {
	last := int64(math.MinInt64)
	for _, op := range ops {
		last = max(last, op.call, op.ret, op.until)
	}
	return last + 1
}

// history is what porcupine checks. Operations that may yet take effect last to the end.
func history(ops []operation, relevant func(operation) bool) []porcupine.Operation {
	last := end(ops)
	var list []porcupine.Operation
	for _, op := range ops {
		if !relevant(op) {
			continue
		}
		if op.outcome == unknown || op.ret == 0 {
			op.ret = last
		}
		list = append(list, porcupine.Operation{ClientId: 2*op.worker + op.lane, Input: op, Call: op.call, Return: op.ret})
	}
	return list
}

func describe(input, _ any) string { return input.(operation).String() }

// lock is the state of the lock model: the greatest token that was acquired, by whom, and whether it
// is held. It is until another one acquires, or its holder gives it up. A holder that had no word from
// the store for a while, and says so, may find that it still holds, and acquire again with its token.
type lock struct {
	token  uint64
	worker int
	held   bool
}

func lockModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return lock{} },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(lock), input.(operation)
			switch op.what {
			case opAcquire:
				again := s.held && op.worker == s.worker && op.token == s.token
				return again || op.token > s.token, lock{op.token, op.worker, true}
			case opCheck:
				return s.held && op.worker == s.worker && op.token == s.token, s
			}
			if op.worker == s.worker { // a release of whatever that worker holds
				s.held = false
			}
			return true, s
		},
		DescribeOperation: describe,
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// lockHistory has each claim, each yes, each release, and each guarantee at its end. A claim that
// nobody learned of binds nobody.
func lockHistory(ops []operation) []porcupine.Operation {
	return history(append(slices.Clone(ops), guarantees(ops)...), func(op operation) bool {
		switch op.what {
		case opAcquire, opCheck:
			return op.outcome == yes && op.ret != 0
		}
		return op.what == opRelease
	})
}

// guarantees are the last moments at which tickets guaranteed leadership, as checks: whatever became
// of the worker, unless it gave leadership up itself.
func guarantees(ops []operation) []operation {
	type term struct {
		worker int
		token  uint64
	}
	latest := map[term]operation{}
	for _, op := range ops {
		gaveUp := func(other operation) bool {
			return other.what == opRelease && other.worker == op.worker && other.call <= op.until && (other.ret == 0 || other.ret >= op.call)
		}
		of := term{op.worker, op.token}
		if op.what == opCheck && op.outcome == yes && op.until > latest[of].until && !slices.ContainsFunc(ops, gaveUp) {
			latest[of] = op
		}
	}
	var list []operation
	for _, op := range latest {
		op.call, op.ret = op.until, op.until
		list = append(list, op)
	}
	return list
}

// register is the state of the register model.
type register struct {
	fence uint64
	value string
}

func registerModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return register{} },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(register), input.(operation)
			if op.what == opRead {
				return register{op.seen, op.value} == s, s
			}
			passes, written := op.token >= s.fence, register{op.token, op.value}
			switch {
			case op.outcome == refused:
				return !passes && op.seen == s.fence, s
			case passes:
				return true, written
			}
			return op.outcome == unknown, s
		},
		DescribeOperation: describe,
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// registerHistory has each write that may have been done, each that was refused, and each read.
func registerHistory(ops []operation) []porcupine.Operation {
	return history(ops, func(op operation) bool {
		switch op.what {
		case opWrite:
			return op.outcome != failed
		case opRead:
			return op.outcome == accepted && op.ret != 0
		}
		return false
	})
}
