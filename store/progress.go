package store

import "time"

// progress remembers when which revisions had been seen: the latest ones, and not to the millisecond.
// Where it isn't exact it says that a revision was seen earlier than it was.
type progress struct {
	steps []step // by time
}

type step struct {
	at  time.Duration // since Store.base
	rev uint64
}

const (
	stepTime  = 5 * time.Millisecond
	stepsKept = 256
)

// note takes in that a revision, greater than all before, has been seen by now.
func (p *progress) note(now time.Duration, rev uint64) {
	if n := len(p.steps); n > 0 && now < p.steps[n-1].at+stepTime {
		p.steps[n-1].rev = rev
		return
	}
	if len(p.steps) == stepsKept {
		copy(p.steps, p.steps[1:])
		p.steps = p.steps[:stepsKept-1]
	}
	p.steps = append(p.steps, step{at: now, rev: rev})
}

// by gives the greatest revision that had been seen then.
func (p *progress) by(then time.Duration) uint64 {
	for i := len(p.steps) - 1; i >= 0; i-- {
		if s := p.steps[i]; s.at <= then || i == 0 && len(p.steps) == stepsKept {
			return s.rev
		}
	}
	return 0
}
