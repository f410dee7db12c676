package command

import (
	"time"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
)

// maxGrace is the longest grace that isn't asked for.
const maxGrace = 5 * time.Second

// DefaultGrace is a third of the TTL, at most 5 s.
func DefaultGrace(ttl time.Duration) time.Duration { return min(ttl/3, maxGrace) }

// CheckGrace refuses a grace that leaves a command too little time to run; the names are what the
// user calls the two.
func CheckGrace(graceName string, grace time.Duration, ttlName string, ttl time.Duration) error {
	if grace < ttl/2 {
		return nil
	}
	return exit.Errorf(exit.Value, "%s %v: must be less than half of %s %v, which is %v: the command must have stopped before the leadership ends; use a shorter grace, or a TTL above %v",
		graceName, grace, ttlName, ttl, ttl/2, 2*grace)
}

// A command that is run again and ends within quick is waited with: at first for pauseFirst, twice
// as long each time, at most pauseMost.
const (
	quick      = 5 * time.Second
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 10 * time.Second
)

// Pause says how long to wait before a command that ended is run again. The zero value is fit for
// use.
type Pause struct{ next time.Duration }

// After gives the wait after a run that took so long.
func (p *Pause) After(ran time.Duration) time.Duration {
	if p.next == 0 || ran >= quick {
		p.next = pauseFirst
	}
	pause := p.next
	p.next = min(2*p.next, pauseMost)
	return pause
}
