package cli

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quietTime is how long a message that was logged is not logged again.
const quietTime = time.Minute

// quiet is a handler that leaves out repetitions: during an outage the workers try again many times
// a second, and say so each time. The next line with the same message, quietTime later, says how
// many were left out.
type quiet struct {
	slog.Handler
	said *repetitions
}

// repetitions are shared by a handler and those derived from it.
type repetitions struct {
	mu   sync.Mutex
	last map[string]*repetition
}

type repetition struct {
	at   time.Time
	left int // left out since
}

func newQuiet(h slog.Handler) slog.Handler {
	return quiet{h, &repetitions{last: map[string]*repetition{}}}
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	left, show := q.said.show(r)
	if !show {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", left))
	}
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(attrs), q.said}
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler {
	return quiet{q.Handler.WithGroup(name), q.said}
}

// show decides on a record, and tells how many like it were left out before.
func (p *repetitions) show(r slog.Record) (left int, show bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.last[r.Message]
	if known != nil && r.Time.Sub(known.at) < quietTime {
		known.left++
		return 0, false
	}
	if known == nil {
		known = &repetition{}
		p.last[r.Message] = known
	}
	left, known.at, known.left = known.left, r.Time, 0
	return left, true
}
