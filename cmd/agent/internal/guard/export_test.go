package guard

// Ladder is the ladder, for its tests.
type Ladder struct{ *ladder }

// NewLadder makes the guardian's, or the agent's.
func NewLadder(grace, deadline int64, second bool) Ladder {
	l := newLadder(grace, deadline)
	if second {
		l.second()
	}
	return Ladder{l}
}

// Margin is the time kept between SIGKILL and the deadline.
func (l Ladder) Margin() int64 { return l.margin }

// Extend is extend.
func (l Ladder) Extend(deadline int64) { l.extend(deadline) }

// Begin is begin.
func (l Ladder) Begin(now int64) { l.begin(now) }

// Yield is yield.
func (l Ladder) Yield(until int64) { l.yield(until) }

// Next is next.
func (l Ladder) Next() int64 { return l.next() }

// Step is step, in words.
func (l Ladder) Step(now int64) string {
	return [...]string{actNothing: "", actTerminate: "terminate", actKill: "kill"}[l.step(now)]
}
