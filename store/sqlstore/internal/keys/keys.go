package keys

import (
	"fmt"

	"github.com/muster-go/muster/store"
)

// Range gives the keys, from (inclusive) to (exclusive), that a prefix means. No key contains bytes
// from 0x7f on or below 0x20.
func Range(prefix string) (from, to string) {
	switch {
	case prefix == "":
		return "", "\x7f"
	case prefix[len(prefix)-1] == '/':
		return prefix, prefix[:len(prefix)-1] + "0" // the character after "/"
	}
	return prefix, prefix + "\x01" // below every byte that a key can have
}

// In says whether key is one of those.
func In(prefix, key string) bool {
	if prefix == "" || prefix[len(prefix)-1] == '/' {
		return len(key) > len(prefix) && key[:len(prefix)] == prefix
	}
	return key == prefix
}

// Check refuses what no joined store.Escape makes and what a range of keys could miss.
func Check(key string) error {
	if key == "" {
		return fmt.Errorf("the key is empty: %w", store.ErrInvalid)
	}
	for i := range len(key) {
		if key[i] < 0x20 || key[i] >= 0x7f {
			return fmt.Errorf("the key %q has a byte that store.Escape would have replaced: %w", key, store.ErrInvalid)
		}
	}
	return nil
}

// CheckPrefix does the same for a prefix, which may be empty.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return Check(prefix)
}

// CheckWrites refuses a batch that has no outcomes: bad keys, unknown kinds, a key twice, values that
// are too large.
func CheckWrites(writes []store.Write, maxValue int) error {
	seen := make(map[string]bool, len(writes))
	for _, w := range writes {
		if err := Check(w.Key); err != nil {
			return err
		}
		switch {
		case seen[w.Key]:
			return fmt.Errorf("two writes of the key %q in one batch: send them one after the other: %w", w.Key, store.ErrInvalid)
		case w.Kind < store.Create || w.Kind > store.Delete:
			return fmt.Errorf("write of %q: unknown kind %d: %w", w.Key, w.Kind, store.ErrInvalid)
		case len(w.Value) > maxValue:
			return fmt.Errorf("write of %q: the value has %d bytes: use at most %d: %w", w.Key, len(w.Value), maxValue, store.ErrInvalid)
		}
		seen[w.Key] = true
	}
	return nil
}
