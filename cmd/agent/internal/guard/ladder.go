package guard

import "time"

const (
	minMargin = int64(20 * time.Millisecond)
	maxMargin = int64(100 * time.Millisecond)

	// patience is what the agent grants a guardian that was told to stop and may be busy, if the
	// deadline allows.
	patience = int64(time.Second)
)

// marginFor gives the time that is kept between SIGKILL and the deadline.
func marginFor(grace int64) int64 { return min(max(grace/2, minMargin), maxMargin) }

type action int

const (
	actNothing action = iota
	actTerminate
	actKill
)

// ladder decides when a command is told to stop and when it is killed. It knows no clock and does
// nothing: all times are nanoseconds of boot time, and step says what is to be done now. Two ladders
// watch one command: the guardian's, and the agent's, which lags behind and acts only when the
// guardian didn't.
type ladder struct {
	grace, margin int64
	lag, patience int64 // how much later to act: when the deadline is near, and otherwise
	deadline      int64
	begun         int64 // when the stop began; 0: not yet
	byDeadline    bool
	terminated    bool
	killed        bool
	yielded       int64 // the kill is left to the other ladder until then; 0: it isn't
}

func newLadder(grace, deadline int64) *ladder {
	return &ladder{grace: grace, margin: marginFor(grace), deadline: deadline}
}

// second makes the ladder act later than the guardian's, and still before the deadline.
func (l *ladder) second() *ladder {
	l.lag, l.patience = l.margin/2, patience
	return l
}

// turn is when the deadline begins a stop.
func (l *ladder) turn() int64 { return l.deadline - max(l.grace, l.margin) }

// extend moves the deadline on; never back, and not after a stop has begun.
func (l *ladder) extend(deadline int64) {
	if l.begun == 0 {
		l.deadline = max(l.deadline, deadline)
	}
}

// begin starts the stop, if none is under way.
func (l *ladder) begin(now int64) {
	if l.begun == 0 {
		l.begun = now
	}
}

// yield leaves the stop to the other ladder, which has begun it, up to the given moment.
func (l *ladder) yield(until int64) {
	l.terminated = true
	l.yielded = until
}

// step latches what is due at the given moment and says what to do about it. Each action is
// returned once; a kill makes a termination that is also due needless.
func (l *ladder) step(now int64) action {
	if turn := l.turn(); l.begun == 0 && now >= turn {
		l.begun, l.byDeadline = turn, true
	}
	switch {
	case l.begun == 0 || l.killed:
		return actNothing
	case now >= l.killAt():
		l.terminated, l.killed = true, true
		return actKill
	case !l.terminated && now >= l.terminateAt():
		l.terminated = true
		return actTerminate
	}
	return actNothing
}

func (l *ladder) terminateAt() int64 {
	if l.byDeadline {
		return l.begun + l.lag
	}
	return l.begun + l.patience
}

func (l *ladder) killAt() int64 {
	if l.yielded != 0 {
		return l.yielded
	}
	return min(l.begun+l.grace+l.patience, l.last())
}

// last is the latest moment for SIGKILL.
func (l *ladder) last() int64 { return l.deadline - l.margin + l.lag }

// next is the moment at which step has something new to say; 0: never.
func (l *ladder) next() int64 {
	switch {
	case l.killed:
		return 0
	case l.begun == 0:
		return max(l.turn(), 1)
	case l.terminated:
		return max(l.killAt(), 1)
	default:
		return max(min(l.terminateAt(), l.killAt()), 1)
	}
}
