package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
)

const ms = int64(time.Millisecond)

func TestLadderByDeadline(t *testing.T) {
	l := guard.NewLadder(1000*ms, 10_000*ms, false)
	assert.Equal(t, 9000*ms, l.Next())
	assert.Empty(t, l.Step(8999*ms))
	assert.Equal(t, "terminate", l.Step(9000*ms))
	assert.Empty(t, l.Step(9001*ms), "each action comes once")
	l.Extend(20_000 * ms)
	assert.Equal(t, 9900*ms, l.Next(), "a later deadline calls nothing off")
	assert.Equal(t, "kill", l.Step(9900*ms))
	assert.Zero(t, l.Next())
	assert.Empty(t, l.Step(99_000*ms))
}

func TestLadderNeverMovesBack(t *testing.T) {
	l := guard.NewLadder(1000*ms, 10_000*ms, false)
	l.Extend(5000 * ms)
	assert.Equal(t, 9000*ms, l.Next())
	l.Extend(11_000 * ms)
	assert.Equal(t, 10_000*ms, l.Next())
}

func TestLadderByOrder(t *testing.T) {
	l := guard.NewLadder(1000*ms, 10_000*ms, false)
	l.Begin(2000 * ms)
	l.Begin(2500 * ms)
	assert.Equal(t, "terminate", l.Step(2000*ms))
	assert.Equal(t, 3000*ms, l.Next())
	assert.Equal(t, "kill", l.Step(3000*ms))
}

func TestSecondLadderActsLaterAndStillInTime(t *testing.T) {
	l := guard.NewLadder(1000*ms, 10_000*ms, true)
	assert.Empty(t, l.Step(9000*ms))
	assert.Equal(t, "terminate", l.Step(9050*ms))
	assert.Equal(t, "kill", l.Step(9950*ms))

	l = guard.NewLadder(1000*ms, 10_000*ms, true)
	l.Begin(2000 * ms)
	assert.Equal(t, 3000*ms, l.Next(), "the guardian has a second to begin")
	l.Yield(9950 * ms)
	assert.Equal(t, 9950*ms, l.Next(), "it has begun")
	assert.Equal(t, "kill", l.Step(9950*ms))
}

// Whoever looks when next says, and however much later, kills with half a margin to spare, once,
// and never calls it off.
func TestLadderKillsBeforeTheDeadlineWhateverComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := rapid.Int64Range(1, 1000).Draw(t, "now") * ms
		grace := rapid.Int64Range(0, 5000).Draw(t, "grace") * ms
		deadline := now + rapid.Int64Range(0, 20_000).Draw(t, "left")*ms
		l := guard.NewLadder(grace, deadline, rapid.Bool().Draw(t, "second"))
		started, begun := now, false
		for {
			last := now
			if next := l.Next(); next > now {
				now = next
			}
			if !begun {
				switch rapid.IntRange(0, 3).Draw(t, "event") {
				case 0:
					now = min(now, last+rapid.Int64Range(0, 1000).Draw(t, "early")*ms)
					to := now + rapid.Int64Range(-5000, 10_000).Draw(t, "to")*ms
					l.Extend(to)
					deadline = max(deadline, to)
				case 1:
					now = min(now, last+rapid.Int64Range(0, 1000).Draw(t, "early")*ms)
					l.Begin(now)
					begun = true
				}
			} else {
				l.Extend(now + 3600_000*ms)
			}
			did := l.Step(now)
			if did == "kill" {
				latest := max(deadline-l.Margin()/2, started)
				if now > max(latest, last) {
					t.Fatalf("killed at %d, the deadline being %d", now, deadline)
				}
				if l.Next() != 0 || l.Step(now+3600_000*ms) != "" {
					t.Fatal("something comes after the kill")
				}
				return
			}
			begun = begun || did != ""
			if next := l.Next(); next == 0 || now > deadline {
				t.Fatalf("at %d nothing is to come, the deadline being %d", now, deadline)
			}
			if now > started+100_000*ms {
				return // extended again and again
			}
		}
	})
}
