package daemon_test

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDaemonsWordsAsJSON(t *testing.T) {
	l := newLab(t)
	p := l.command("box-1", "serve", "-o", "json", "-c", l.config("c", "  web: {}\n"))
	p.Start()
	p.said(`"event":"ready"`)
	p.said(`"event":"leading"`)
	p.Signal(syscall.SIGTERM)
	require.Equal(t, 0, p.Wait())
	events := map[string]bool{}
	for line := range strings.Lines(p.out.String()) {
		var l struct {
			Event, Text, Election, Holder, URL string
			Token                              uint64
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		events[l.Event] = true
		switch l.Event {
		case "serving":
			assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, l.URL)
		case "leading":
			assert.Equal(t, "web", l.Election)
			assert.Equal(t, "box-1", l.Holder)
			assert.Positive(t, l.Token)
		}
	}
	assert.Equal(t, map[string]bool{"serving": true, "standing": true, "leading": true, "ready": true, "stopping": true}, events)
}

func TestWhatIsWarnedOf(t *testing.T) {
	l := newLab(t)
	p := l.command("box-1", "serve", "-c", l.config("c", "  web: {}\n"), "--store", "mem://", "--listen", "0.0.0.0:0")
	p.Start()
	p.said(`agent: mem:// is private to this process`)
	p.said(`agent: serving on \S+:\d+: whoever reaches it can read who leads`)
	p.said(`serves on http://localhost:\d+; store`)
	p.answers("/leader/web", 200, "leading")
	code, _, stderr := l.run("box-1", "status")
	assert.Equal(t, 0, code, stderr)
}
