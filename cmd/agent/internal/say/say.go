// Package say prints the agent's own words: a line of text or of JSON for each thing that
// happened, and lengths of time as people write them.
package say

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Line is one thing that happened. As JSON it is one object on one line; absent fields are left
// out.
type Line struct {
	Time     time.Time `json:"time"`
	Event    string    `json:"event"`              // what happened, as one word or two joined by "-"
	Text     string    `json:"text"`               // the same as a sentence
	Election string    `json:"election,omitempty"` // which election
	Holder   string    `json:"holder,omitempty"`   // the node that leads, stands or left
	Token    uint64    `json:"token,omitempty"`    // the fencing token of Holder's claim
	PID      int       `json:"pid,omitempty"`      // of the agent that Holder runs in
	AtMost   float64   `json:"at_most,omitempty"`  // seconds, of whatever Text says takes at most so long
	Waiting  *int      `json:"waiting,omitempty"`  // how many stand behind the leader
	URL      string    `json:"url,omitempty"`      // of the development server
	Store    string    `json:"store,omitempty"`    // URL of the store, without its password
}

// Printer prints lines. Its methods may be called from many goroutines at once. The zero value of
// all fields but W is fit for use.
type Printer struct {
	W      io.Writer
	JSON   bool   // as JSON, else the text
	Prefix string // before each line of text
	Stamp  bool   // the time of day before each line of text

	mu sync.Mutex
}

// Line prints one line. A zero Time is now.
func (p *Printer) Line(l Line) {
	if l.Time.IsZero() {
		l.Time = time.Now() // the wall clock, for people to read
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.JSON {
		_ = json.NewEncoder(p.W).Encode(l) // a reader that went away is no reason to stop
		return
	}
	stamp := ""
	if p.Stamp {
		stamp = l.Time.Format("15:04:05.000 ")
	}
	fmt.Fprintf(p.W, "%s%s%s\n", p.Prefix, stamp, l.Text)
}

// Length writes a length of time with a space before its unit, rounded up so that "at most" stays
// true: "250 ms", "3.5 s", "2 m 5 s",
// "1 h 30 m".
func Length(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d <= time.Second-time.Millisecond:
		return strconv.FormatInt(ceil(d, time.Millisecond), 10) + " ms"
	case d <= time.Minute-100*time.Millisecond:
		tenths := ceil(d, 100*time.Millisecond)
		return strings.TrimSuffix(fmt.Sprintf("%d.%d", tenths/10, tenths%10), ".0") + " s"
	}
	whole := ceil(d, time.Second)
	if whole >= 3600 {
		whole = ceil(d, time.Minute)
		return fmt.Sprintf("%d h %d m", whole/60, whole%60)
	}
	return fmt.Sprintf("%d m %d s", whole/60, whole%60)
}

func ceil(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }
