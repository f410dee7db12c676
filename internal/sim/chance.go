package sim

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// FNV-1a's constants.
const (
	basis = 0xcbf29ce484222325
	prime = 0x100000001b3
)

// mix spreads the bits of x over all (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// derive gives the seed of a stream.
func derive(seed uint64, names ...string) uint64 {
	h := mix(seed) ^ basis
	for _, name := range names {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	return mix(h)
}

// Chance gives the stream with these names, from its beginning; for one goroutine.
func (w *World) Chance(names ...string) *rand.Rand {
	s := derive(w.cfg.Seed, names...)
	return rand.New(rand.NewPCG(s, mix(s)))
}

// reader is a stream as a source of bytes for many goroutines.
type reader struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func newReader(seed uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &reader{r: rand.NewChaCha8(key)}
}

func (r *reader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.Read(b)
}

// Between draws a duration from low up to high.
func Between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)+1))
}

// Decades draws a duration from low up to high; each further order of magnitude is half as likely.
func Decades(r *rand.Rand, low, high time.Duration) time.Duration {
	for low*10 < high && r.IntN(2) == 0 {
		low *= 10
	}
	return Between(r, low, min(low*10, high))
}
