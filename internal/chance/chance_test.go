package chance_test

import (
	"bytes"
	"crypto/rand"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/internal/chance"
)

func TestTheSameSourceGivesTheSameTwice(t *testing.T) {
	draw := func() []any {
		r := mathrand.NewChaCha8([32]byte{1})
		return []any{chance.Text(r), chance.Upto(r, time.Second), chance.Text(r)}
	}
	assert.Equal(t, draw(), draw())
}

func TestTextsHaveTheFormOfCryptoRands(t *testing.T) {
	assert.Regexp(t, `^[A-Z2-7]{26}$`, chance.Text(rand.Reader))
	assert.NotEqual(t, chance.Text(rand.Reader), chance.Text(rand.Reader))
}

func TestUptoStaysWithinItsBounds(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		seen[chance.Upto(rand.Reader, 3)] = true
	}
	assert.Equal(t, map[time.Duration]bool{0: true, 1: true, 2: true, 3: true}, seen)
	assert.Zero(t, chance.Upto(rand.Reader, 0))
	assert.Zero(t, chance.Upto(rand.Reader, -1))
}

func TestWithoutASourceItIsCryptoRands(t *testing.T) {
	assert.Equal(t, rand.Reader, chance.Or(nil))
	own := bytes.NewReader(nil)
	assert.Same(t, own, chance.Or(own))
}

func TestASourceThatFailsIsNotGoneOnWithout(t *testing.T) {
	assert.Panics(t, func() { chance.Text(bytes.NewReader(nil)) })
}
