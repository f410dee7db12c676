package chance

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Or gives r, or crypto/rand's source if it is nil.
func Or(r io.Reader) io.Reader {
	if r == nil {
		return rand.Reader
	}
	return r
}

// Text gives 26 letters and digits with 130 random bits, as crypto/rand.Text does.
func Text(r io.Reader) string {
	var bits [17]byte
	read(r, bits[:])
	return base32.StdEncoding.EncodeToString(bits[:])[:26]
}

// Upto gives a duration from 0 to most, both included; 0 if most is negative.
func Upto(r io.Reader, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	var bits [8]byte
	read(r, bits[:])
	// The remainder favours none by more than most/2⁶⁴.
	return time.Duration(binary.LittleEndian.Uint64(bits[:]) % (uint64(most) + 1))
}

// read fills b. A source that fails can't be gone on without: names would repeat.
func read(r io.Reader, b []byte) {
	if _, err := io.ReadFull(r, b); err != nil {
		panic(fmt.Sprintf("chance: the source of random bytes failed: %v", err))
	}
}
