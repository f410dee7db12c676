package cli

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheLogSaysTheSameThingOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		log := slog.New(newQuiet(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn})))
		for i := range 100 {
			log.With("worker", i).Warn("trying again")
			time.Sleep(100 * time.Millisecond)
		}
		log.Warn("another thing")
		log.Info("never shown")
		assert.Equal(t, 1, strings.Count(b.String(), "trying again"))
		assert.Equal(t, 1, strings.Count(b.String(), "another thing"))
		time.Sleep(time.Minute)
		log.WithGroup("g").Warn("trying again")
		assert.Contains(t, b.String(), "left_out=99")
		assert.Equal(t, 3, strings.Count(b.String(), "\n"))
	})
}
