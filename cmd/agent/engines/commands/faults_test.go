package commands_test

import (
	"strings"
	"syscall"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
)

// oneLine checks that an agent ended with the code, and said why in one line that has the parts.
func (l *lab) oneLine(p *enginestest.Agent, code int, parts ...string) {
	l.t.Helper()
	assert.Equal(l.t, code, p.Wait())
	text := p.Err.String()
	assert.Equal(l.t, 1, strings.Count(text, "\n"), text)
	assert.True(l.t, strings.HasPrefix(text, "agent: "), text)
	for _, part := range parts {
		assert.Contains(l.t, text, part)
	}
	l.t.Log(strings.TrimSpace(text))
}

func (l *lab) testFaults() {
	// Before the store goes: who watches is told when it does, and when it is back.
	watch := l.start("election", "watch", "outage", "-o", "json")
	watch.Said(watch.Out, `"event":"vacant"`)
	leader := l.campaign("outage", "box-1", "--ttl", l.store.Engine.TTL.String())
	leader.Said(leader.Out, `leads \d+`)
	led := leader.Out.Len()

	l.oneLine(enginestest.Run(l.t, l.url+"&tsl=true", "election", "ls"), 78, "store URL")
	l.oneLine(l.run("run", "tiny", "--ttl", "5ms", "--grace", "1ms", "--", "true"), 78, "--ttl", "5ms", "use at least")

	printed := watch.Out.Len()
	l.store.Stop()
	leader.Said(leader.Err, `"event":"lost"`)
	if l.store.Remote() {
		watch.SaidAfter(watch.Out, printed, `"event":"stale"`)
		l.oneLine(l.run("election", "ls", "--timeout", "2s"), 69, "store ", "--timeout")
		l.oneLine(l.run("run", "outage", "--timeout", "2s", "--", "true"), 69, "store ", "--timeout")
	}
	waiting := l.start("election", "show", "outage", "--timeout", "1m")
	l.store.Start()
	if l.store.Remote() {
		watch.SaidAfter(watch.Out, printed, `"event":"current"`)
	}
	waiting.Wait() // 0 or 1: who led may have lost it
	leader.SaidAfter(leader.Out, led, `leads \d+`)
	resumed := l.run("run", "after", "--", "true")
	require.Equal(l.t, 0, resumed.Wait(), resumed.Err)
	leader.Signal(syscall.SIGTERM)
	assert.Equal(l.t, 143, leader.Wait())
}
