package store

import (
	"fmt"
	"time"
)

// Limits is what a service can and can't do about time. The zero value of a field means no limit.
type Limits struct {
	MinTTL      time.Duration // shortest TTL of a session
	MaxTTL      time.Duration // longest
	Granularity time.Duration // TTLs are rounded up to a multiple of this

	// ExpiryFactor × TTL + ExpiryLag is the longest time from a session's last renewal until its
	// records are gone and every live watch has told so. A factor of 0 counts as 1.
	ExpiryFactor float64
	ExpiryLag    time.Duration

	MaxRecords int // records below one prefix that List and Watch are good for
	MaxValue   int // bytes of a value
}

// Round gives the TTL that the service really uses for ttl.
func (l Limits) Round(ttl time.Duration) time.Duration {
	if l.Granularity <= 0 {
		return ttl
	}
	if rest := ttl % l.Granularity; rest != 0 {
		ttl += l.Granularity - rest
	}
	return ttl
}

// WorstFailover is the longest time from the moment at which a holder with this TTL dies until the
// next candidate in the queue can know that it leads.
func (l Limits) WorstFailover(ttl time.Duration) time.Duration {
	factor := l.ExpiryFactor
	if factor == 0 {
		factor = 1
	}
	return time.Duration(float64(l.Round(ttl))*factor) + l.ExpiryLag
}

// Check refuses a TTL that the service can't keep; the error (ErrInvalid) shows the arithmetic.
func (l Limits) Check(ttl time.Duration) error {
	switch {
	case ttl <= 0:
		return fmt.Errorf("ttl %v: must be greater than 0: %w", ttl, ErrInvalid)
	case l.MinTTL > 0 && ttl < l.MinTTL:
		return fmt.Errorf("ttl %v is below this store's shortest, %v: use at least %v (then the next leader takes over at most %v after a crash: %s): %w",
			ttl, l.MinTTL, l.MinTTL, l.WorstFailover(l.MinTTL), l.arithmetic(l.MinTTL), ErrInvalid)
	case l.MaxTTL > 0 && ttl > l.MaxTTL:
		return fmt.Errorf("ttl %v is above this store's longest: use at most %v: %w", ttl, l.MaxTTL, ErrInvalid)
	}
	return nil
}

// arithmetic spells out WorstFailover.
func (l Limits) arithmetic(ttl time.Duration) string {
	factor := l.ExpiryFactor
	if factor == 0 {
		factor = 1
	}
	return fmt.Sprintf("%v × %g + %v", l.Round(ttl), factor, l.ExpiryLag)
}
