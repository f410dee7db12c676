package sim

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// log is what happened.
type log struct {
	out io.Writer // nil: lines are kept, those of single messages aside

	mu    sync.Mutex
	lines []line
	steps int
	step  uint64 // the sum of this step's, so that their order doesn't count
	hash  uint64
}

type line struct {
	at        time.Duration
	who, what string
}

func (l line) String() string { return fmt.Sprintf("%12.6f %-8s %s", l.at.Seconds(), l.who, l.what) }

func (l *log) note(at time.Duration, who, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(at, who, what, "")
	n := line{at, who, what}
	l.lines = append(l.lines, n)
	if l.out != nil {
		fmt.Fprintln(l.out, n)
	}
}

func (l *log) message(at time.Duration, who, what, key string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(at, who, what, "")
	if l.out != nil {
		text := what + " " + key
		if err != nil {
			text += ": " + err.Error()
		}
		fmt.Fprintln(l.out, line{at, who, text})
	}
}

// count adds to the sum of the step; with the lock held.
func (l *log) count(at time.Duration, texts ...string) {
	h := uint64(at) ^ basis
	for _, text := range texts {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	l.step += mix(h)
}

// seal ends a step.
func (l *log) seal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps++
	if l.step != 0 {
		l.hash, l.step = mix(l.hash*prime^l.step), 0
	}
}

func (l *log) format() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := make([]string, 0, len(l.lines))
	for _, n := range l.lines {
		lines = append(lines, n.String())
	}
	return lines
}
