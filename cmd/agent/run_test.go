package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pollTime is how often tests look again at what can't be waited for.
const pollTime = 5 * time.Millisecond

func TestResign(t *testing.T) {
	t.Run("the leader resigns, queues behind the other, and the next token is greater", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, l *lab) {
			first := l.start(append([]string{"run", "hello", "--node", "box-1"}, self("helper-sleep")...)...)
			token := first.leads(0)
			second := l.start(append([]string{"run", "hello", "--node", "box-2"}, self("helper-sleep")...)...)
			second.Said(second.stderr, "waiting for box-1")
			resigned := l.run("election", "resign", "hello")
			assert.Equal(t, 0, resigned.Wait())
			assert.Regexp(t, `^box-1 resigned; box-2 leads hello now, with token \d+ \(pid \d+\)\n$`, resigned.stdout.String())
			assert.Greater(t, second.leads(0), token)
			first.Said(first.stderr, "asked to resign from hello")
			first.Said(first.stderr, "waiting for box-2")
		})
	})
	t.Run("a lonely leader leads again", func(t *testing.T) {
		l := newLab(t)
		p := l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
		token := p.leads(0)
		offset := p.stderr.Len()
		resigned := l.run("election", "resign", "hello", "-o", "json")
		assert.Equal(t, 0, resigned.Wait())
		var line struct {
			Event, Election, Holder string
			Token                   uint64
		}
		require.NoError(t, json.Unmarshal([]byte(resigned.stdout.String()), &line))
		assert.Equal(t, "resigned", line.Event)
		assert.Equal(t, "hello", line.Election)
		assert.Greater(t, p.leads(offset), token)
	})
	t.Run("with --on-lost=exit the agent exits with 80", func(t *testing.T) {
		l := newLab(t)
		p := l.start(append([]string{"run", "hello", "--on-lost", "exit"}, self("helper-sleep")...)...)
		p.Said(p.stdout, "sleeping")
		resigned := l.run("election", "resign", "hello")
		assert.Equal(t, 0, resigned.Wait())
		assert.Contains(t, resigned.stdout.String(), "nobody leads hello now")
		assert.Equal(t, 80, p.Wait())
		assert.Contains(t, p.stderr.String(), "--on-lost=exit")
	})
	t.Run("nobody leads", func(t *testing.T) {
		p := newLab(t).run("election", "resign", "hello")
		assert.Equal(t, 1, p.Wait())
		assert.Contains(t, p.stderr.String(), "nobody leads hello")
	})
	t.Run("a leader that doesn't stop in time", func(t *testing.T) {
		l := newLab(t)
		p := l.start(append([]string{"run", "hello", "--ttl", "1h", "--grace", "30s"}, self("helper-stop")...)...)
		p.Said(p.stdout, "ready")
		resigned := l.run("election", "resign", "hello", "--timeout", "4s")
		assert.Equal(t, 75, resigned.Wait())
		assert.Contains(t, resigned.stderr.String(), "still leads")
	})
}

func TestWhatNobodyChoseIsATTLThatTheStoreCanKeep(t *testing.T) {
	l := newLab(t).with("MUSTER_STORE=slow://box?fresh=true")
	p := l.run(append([]string{"run", "hello"}, self("helper-exit", "3")...)...)
	assert.Equal(t, 3, p.Wait())
	assert.Contains(t, p.stderr.String(), "take over within 20.1 s")
	dev := l.start("dev")
	dev.Said(dev.stdout, `run hello --store .slow://box.fresh=true. --ttl 20s -- `)
	refused := l.run(append([]string{"run", "hello", "--ttl", "15s"}, self("helper-exit", "3")...)...)
	assert.Equal(t, 78, refused.Wait())
	assert.Contains(t, refused.stderr.String(), "use at least 20s")
}

func TestWaitGivesUp(t *testing.T) {
	l := newLab(t)
	first := l.start(append([]string{"run", "hello", "--node", "box-1"}, self("helper-sleep")...)...)
	first.leads(0)
	second := l.run(append([]string{"run", "hello", "--wait", "1s"}, self("helper-sleep")...)...)
	assert.Equal(t, 75, second.Wait())
	assert.Regexp(t, `agent: not leader of hello within --wait 1s: box-1 leads \(token \d+\)\n$`, second.stderr.String())
	assert.NotContains(t, l.run("election", "show", "hello").stdout.String(), "waits")
}

func TestRestartRunsTheCommandAgainWhileLeading(t *testing.T) {
	l := newLab(t)
	p := l.start(append([]string{"run", "hello", "--restart"}, self("helper-env")...)...)
	p.Said(p.stderr, `the command ended with code 0; running it again in 400 ms`)
	runs := p.Said(p.stdout, `^(election=hello .*)\n.*\n(election=hello .*)\n`)
	assert.Equal(t, runs[1], runs[2], "the same term, the same token")
	p.Signal(syscall.SIGTERM)
	assert.Equal(t, 143, p.Wait())
}

func TestElectionsWithACommonPrefixDontDisturbEachOther(t *testing.T) {
	l := newLab(t)
	eu := l.start(append([]string{"run", "scout-eu"}, self("helper-sleep")...)...)
	eu.leads(0)
	scout := l.start(append([]string{"run", "scout"}, self("helper-sleep")...)...)
	scout.leads(0)
	shown := l.run("election", "show", "scout", "-o", "json")
	assert.Equal(t, 1, strings.Count(shown.stdout.String(), `"holder"`))
}

func TestTheAgentsOwnWordsAsJSON(t *testing.T) {
	l := newLab(t)
	p := l.run(append([]string{"run", "hello", "-o", "json", "--node", "box-1"}, self("helper-env")...)...)
	require.Equal(t, 0, p.Wait())
	var events []string
	for line := range strings.Lines(p.stderr.String()) {
		var l struct {
			Time          time.Time
			Event, Holder string
			Token         uint64
			PID           int
			AtMost        float64 `json:"at_most"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		events = append(events, l.Event)
		if l.Event == "leading" {
			assert.Equal(t, "box-1", l.Holder)
			assert.Equal(t, p.PID(), l.PID)
			assert.Positive(t, l.Token)
			assert.Positive(t, l.AtMost)
			assert.False(t, l.Time.IsZero())
		}
	}
	assert.Equal(t, []string{"standing", "leading"}, events)
}

func TestMemoryIsPrivateToItsProcess(t *testing.T) {
	p := newLab(t).run(append([]string{"run", "hello", "--store", "mem://"}, self("helper-exit", "3")...)...)
	assert.Equal(t, 3, p.Wait())
	assert.Contains(t, p.stderr.String(), "agent: mem:// is private to this process")
}

func TestAfterAGracefulStopTheNextCommandStartsSoon(t *testing.T) { onEachStore(t, testGracefulStop) }

func testGracefulStop(t *testing.T, l *lab) {
	first := l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
	first.Said(first.stdout, "sleeping")
	second := l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
	second.Said(second.stderr, "waiting for")
	stopped := time.Now()
	first.Signal(syscall.SIGTERM)
	second.Said(second.stdout, "sleeping")
	assert.Less(t, time.Since(stopped), 5*time.Second, "a third of the TTL; BenchmarkHandOver measures it")
	assert.Equal(t, 143, first.Wait())
}

func TestAnOutageIsWaitedOutAndToldOnce(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(t.TempDir(), "fault")
	p := l.with(faultEnv + "=" + file).start(append([]string{"run", "hello", "--ttl", "3s"}, self("helper-sleep")...)...)
	p.Said(p.stdout, "sleeping")
	for _, word := range []string{fails, hangs} {
		said, printed := p.stderr.Len(), p.stdout.Len()
		require.NoError(t, os.WriteFile(file, []byte(word), 0o600))
		p.SaidAfter(p.stderr, said, "lost the leadership of hello")
		p.SaidAfter(p.stderr, said, "agent: the store can't be reached")
		require.NoError(t, os.Remove(file))
		p.SaidAfter(p.stdout, printed, "sleeping")
		p.SaidAfter(p.stderr, said, "the store answers again")
		outage := p.stderr.String()[said:]
		// A very busy machine makes outages of its own; each is told once, and each loss is made good.
		assert.Equal(t, strings.Count(outage, "the store answers again"), strings.Count(outage, "agent: the store can't be reached ("), outage)
		assert.Equal(t, strings.Count(outage, "agent: lost"), strings.Count(outage, "agent: leading"), outage)
	}
	assert.LessOrEqual(t, strings.Count(p.stderr.String(), "level=WARN"), 8, "no flood")
	p.Signal(syscall.SIGTERM)
	assert.Equal(t, 143, p.Wait())
}

// BenchmarkHandOver measures from the SIGTERM of the leader to the start of the next command.
func BenchmarkHandOver(b *testing.B) {
	l := &lab{t: b, state: b.TempDir()}
	next := func() *process {
		return l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
	}
	leader := next()
	leader.Said(leader.stdout, "sleeping")
	var total, worst time.Duration
	for b.Loop() {
		b.StopTimer()
		follower := next()
		follower.Said(follower.stderr, "waiting for")
		b.StartTimer()
		stopped := time.Now()
		leader.Signal(syscall.SIGTERM)
		follower.Said(follower.stdout, "sleeping")
		took := time.Since(stopped)
		total, worst = total+took, max(worst, took)
		leader.Wait()
		leader = follower
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/hand-over")
	b.ReportMetric(float64(worst.Milliseconds()), "ms-worst")
}
