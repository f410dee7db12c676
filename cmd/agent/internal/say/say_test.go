package say_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/say"
)

func TestLengthIsRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                 "0 s",
		0:                            "0 s",
		time.Nanosecond:              "1 ms",
		250 * time.Millisecond:       "250 ms",
		time.Second:                  "1 s",
		3510 * time.Millisecond:      "3.6 s",
		59*time.Second + 950_000_000: "1 m 0 s",
		10 * time.Second:             "10 s",
		125 * time.Second:            "2 m 5 s",
		90 * time.Minute:             "1 h 30 m",
		time.Hour + time.Nanosecond:  "1 h 1 m",
	} {
		assert.Equal(t, want, say.Length(d), d)
	}
}

func TestPrinterPrintsTextOrJSON(t *testing.T) {
	var b strings.Builder
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	line := say.Line{Time: at, Event: "leading", Text: "leading hello", Token: 7}
	(&say.Printer{W: &b, Prefix: "agent: "}).Line(line)
	(&say.Printer{W: &b, Stamp: true}).Line(line)
	assert.Equal(t, "agent: leading hello\n03:04:05.678 leading hello\n", b.String())
	b.Reset()
	(&say.Printer{W: &b, JSON: true, Prefix: "agent: ", Stamp: true}).Line(line)
	assert.Equal(t, `{"time":"2026-01-02T03:04:05.678Z","event":"leading","text":"leading hello","token":7}`+"\n", b.String())
	b.Reset()
	(&say.Printer{W: &b, JSON: true}).Line(say.Line{Event: "now"})
	var back say.Line
	require.NoError(t, json.Unmarshal([]byte(b.String()), &back))
	assert.False(t, back.Time.IsZero())
}
