package endurance_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/claimer"
)

// floor is where the guarded work of one election is done, by whoever leads. It notes when two could
// work at the same time.
type floor struct {
	mu       sync.Mutex
	shifts   []*shift // under way
	newest   uint64   // token
	terms    int      // different tokens so far
	breaches []string
}

// shift is guarded work under way.
type shift struct {
	ctx   context.Context
	who   string
	token uint64
}

// work is guarded work: it lasts until its context ends.
func (f *floor) work(who string) func(context.Context, claimer.Claim) error {
	return func(ctx context.Context, claim claimer.Claim) error {
		s := &shift{ctx, who, claim.Token}
		f.begin(s)
		<-ctx.Done()
		f.end(s)
		return nil
	}
}

// begin looks at what others do before it looks at the shift's own context: if that is alive then, it
// was so at the moment of the first look too, however long this goroutine had to wait for a core.
func (f *floor) begin(s *shift) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var beside []string
	for _, other := range f.shifts {
		if other.token != s.token && other.ctx.Err() == nil {
			beside = append(beside, fmt.Sprintf("%s with token %d works beside %s with token %d", s.who, s.token, other.who, other.token))
		}
	}
	if s.token < f.newest {
		beside = append(beside, fmt.Sprintf("%s leads with token %d after one of %d", s.who, s.token, f.newest))
	}
	if s.ctx.Err() == nil {
		f.breaches = append(f.breaches, beside...)
	}
	if s.token > f.newest {
		f.newest = s.token
		f.terms++
	}
	f.shifts = append(f.shifts, s)
}

func (f *floor) end(s *shift) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shifts = slices.DeleteFunc(f.shifts, func(other *shift) bool { return other == s })
}

// leader is who works now; "" if nobody does.
func (f *floor) leader() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.shifts {
		if s.ctx.Err() == nil {
			return s.who
		}
	}
	return ""
}

// sum is how many terms there were, and what was wrong with them.
func (f *floor) sum() (terms int, breaches []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.terms, slices.Clone(f.breaches)
}

// led waits until somebody works.
func (f *floor) led() error {
	for began := time.Now(); time.Since(began) < patience; <-time.After(5 * time.Millisecond) {
		if f.leader() != "" {
			return nil
		}
	}
	return fmt.Errorf("nobody leads %v after the last fault has ended", patience)
}

func TestAFloorFindsWhoWorksBesideAnother(t *testing.T) {
	alive, stop := context.WithCancel(t.Context())
	defer stop()
	over, end := context.WithCancel(t.Context())
	end()
	var f floor
	begin := func(ctx context.Context, who string, token uint64) (breaches []string) {
		before := len(f.breaches)
		f.begin(&shift{ctx, who, token})
		return f.breaches[before:]
	}
	assert.Empty(t, begin(over, "a", 1))
	assert.Empty(t, begin(alive, "b", 2), "what a did is over")
	assert.Empty(t, begin(alive, "b", 2), "more work of the same leadership")
	assert.Empty(t, begin(over, "c", 3), "c was too late to work")
	assert.Len(t, begin(alive, "d", 4), 2, "beside b, who works twice")
	assert.Contains(t, begin(alive, "e", 3), "e leads with token 3 after one of 4")
	assert.Equal(t, "b", f.leader())
	terms, _ := f.sum()
	assert.Equal(t, 4, terms)
}
