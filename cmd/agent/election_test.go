package main

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestElectionLsAndShow(t *testing.T) { onEachStore(t, testElectionLsAndShow) }

func testElectionLsAndShow(t *testing.T, l *lab) {
	first := l.start(append([]string{"run", "hello", "--node", "box-1", "--ttl", "4s"}, self("helper-sleep")...)...)
	first.Said(first.stdout, "sleeping")
	second := l.start(append([]string{"run", "hello", "--node", "box-2"}, self("helper-sleep")...)...)
	second.Said(second.stderr, "waiting for box-1")

	assert.Regexp(t, `^ELECTION +LEADER +TOKEN +TTL +WAITING\nhello +box-1 +\d+ +4s +1\n$`, l.run("election", "ls").stdout.String())
	type candidate struct {
		Holder           string
		Token            uint64
		PID              int
		TTL              float64
		Leads, Confirmed bool
	}
	var listed []struct {
		Name    string
		Leader  candidate
		Waiting int
	}
	require.NoError(t, json.Unmarshal([]byte(l.run("election", "ls", "-o", "json").stdout.String()), &listed))
	require.Len(t, listed, 1)
	assert.Equal(t, "hello", listed[0].Name)
	assert.Equal(t, 1, listed[0].Waiting)
	leader := candidate{Holder: "box-1", Token: first.leads(0), PID: first.PID(), TTL: 4, Leads: true, Confirmed: true}
	assert.Equal(t, leader, listed[0].Leader)

	assert.Regexp(t, `(?s)^PLACE +NODE +PID +TOKEN +TTL +STATE\n1 +box-1 +\d+ +\d+ +4s +leads\n2 +box-2 +\d+ +- +15s +waits\n$`, l.run("election", "show", "hello").stdout.String())
	var shown struct {
		Name       string
		Candidates []candidate
	}
	require.NoError(t, json.Unmarshal([]byte(l.run("election", "show", "hello", "-o", "json").stdout.String()), &shown))
	assert.Equal(t, "hello", shown.Name)
	assert.Equal(t, []candidate{leader, {Holder: "box-2", PID: second.PID(), TTL: 15}}, shown.Candidates)

	unknown := l.run("election", "show", "hell", "-o", "json")
	assert.Equal(t, 1, unknown.Wait())
	assert.Equal(t, `{"name":"hell","candidates":[]}`+"\n", unknown.stdout.String())
}

func TestElectionWatchTellsEachEvent(t *testing.T) { onEachStore(t, testElectionWatch) }

func testElectionWatch(t *testing.T, l *lab) {
	watch := l.start("election", "watch", "hello", "-o", "json")
	watch.Said(watch.stdout, `"event":"vacant"`)
	text := l.start("election", "watch", "hello")
	text.Said(text.stdout, `^\d\d:\d\d:\d\d\.\d{3} nobody leads hello$`)
	first := l.start(append([]string{"run", "hello", "--node", "box-1"}, self("helper-sleep")...)...)
	watch.Said(watch.stdout, `"event":"leader".*"holder":"box-1"`)
	second := l.start(append([]string{"run", "hello", "--node", "box-2"}, self("helper-sleep")...)...)
	watch.Said(watch.stdout, `"event":"joined".*"holder":"box-2"`)
	l.run("election", "resign", "hello")
	watch.Said(watch.stdout, `"event":"resign-asked".*"holder":"box-1"`)
	watch.Said(watch.stdout, `"event":"leader".*"holder":"box-2"`)
	text.Said(text.stdout, `box-2 leads hello with token \d+ \(pid \d+\)`)
	led := strings.Index(watch.stdout.String(), `"event":"vacant","text":"box-1`)
	watch.SaidAfter(watch.stdout, led, `"event":"joined".*"holder":"box-1"`)
	first.Signal(syscall.SIGTERM)
	watch.Said(watch.stdout, `"event":"left".*"holder":"box-1"`)
	second.Signal(syscall.SIGTERM)
	watch.SaidAfter(watch.stdout, strings.Index(watch.stdout.String(), `"event":"left"`), `"event":"vacant".*"holder":"box-2"`)
	watch.Signal(syscall.SIGINT)
	assert.Equal(t, 130, watch.Wait())
	var before uint64
	for line := range strings.Lines(watch.stdout.String()) {
		var l struct {
			Event string
			Token uint64
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		if l.Event == "leader" {
			assert.Greater(t, l.Token, before)
			before = l.Token
		}
	}
}

func TestCompletionKnowsTheElections(t *testing.T) {
	l := newLab(t)
	none := l.run("__complete", "election", "show", "")
	assert.Equal(t, ":4\n", none.stdout.String())
	assert.NoDirExists(t, l.state, "completion makes no store")
	for _, name := range []string{"scout", "scout-eu", "other"} {
		p := l.start(append([]string{"run", name}, self("helper-sleep")...)...)
		p.leads(0)
	}
	p := l.run("__complete", "election", "resign", "sc")
	assert.Equal(t, "scout\nscout-eu\n:4\n", p.stdout.String())
	assert.Equal(t, "other\n:4\n", l.run("__complete", "run", "o").stdout.String())
	assert.Equal(t, "etcd://\tetcd\n:6\n", l.run("__complete", "run", "--store", "etc").stdout.String())
	assert.Contains(t, l.run("completion", "bash").stdout.String(), "__start_agent")
}

func TestVersionAndHelp(t *testing.T) {
	l := newLab(t)
	assert.Regexp(t, `^agent \S+ \(go1\.\S+, \w+/\w+\)\n$`, l.run("version").stdout.String())
	var version struct{ Version, Go string }
	require.NoError(t, json.Unmarshal([]byte(l.run("version", "-o", "json").stdout.String()), &version))
	assert.NotEmpty(t, version.Go)
	for _, command := range []string{"", "run", "dev", "election", "election ls", "election show", "election watch", "election resign", "store schema", "version", "completion", "help"} {
		p := l.run(append(strings.Fields(command), "--help")...)
		assert.Equal(t, 0, p.Wait(), command)
		assert.Contains(t, p.stdout.String(), "Examples:", command)
		assert.Contains(t, p.stdout.String(), "--store", command)
	}
	help := l.run()
	assert.Equal(t, 0, help.Wait())
	for scheme := range openers() {
		assert.Contains(t, help.stdout.String(), scheme+"://", "each store that the program links")
	}
	assert.NoDirExists(t, l.state)
}
