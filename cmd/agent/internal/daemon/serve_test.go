package daemon_test

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOneOfTwoDaemonsLeadsAndRunsItsCommand(t *testing.T) {
	l := newLab(t)
	note := filepath.Join(l.dir, "note")
	// Long enough that a busy machine doesn't lose it, short enough to wait for a take-over.
	elections := "  job: {ttl: 8s, run: " + self("helper-live", note) + "}\n  web/eu: {ttl: 8s}\n"
	one := l.serve("box-1", elections)
	one.leads("job")
	one.leads("web/eu")
	two := l.serve("box-2", elections)
	two.answers("/readyz", 200, `^ready\n$`)
	two.said(`job: waiting for box-1 \(token \d+\): at most [\d.]+ s after it stops answering`)
	first := lived(t, note, 1)[0]
	assert.Equal(t, "box-1", first.node)

	t.Run("leader tells load balancers where to go", func(t *testing.T) {
		one.answers("/leader/job", 200, `^{"election":"job","leading":true,"holder":"box-1","token":\d+,"deadline_ms":[1-9]\d*}\n$`)
		two.answers("/leader/job", 503, `^{"election":"job","leading":false,"holder":"box-1","token":\d+,"deadline_ms":0}\n$`)
		two.answers("/leader/web/eu", 503, `"election":"web/eu"`)
		code, body := two.get("/leader/jo")
		assert.Equal(t, 404, code)
		assert.Contains(t, body, `doesn't stand for an election "jo"`)
	})
	t.Run("a kill lets the other take over", func(t *testing.T) {
		one.Signal(syscall.SIGKILL)
		two.leads("job")
		two.leads("web/eu")
		all := lived(t, note, 2)
		assert.Equal(t, "box-2", all[1].node)
		gone(t, first.pid)
	})
	t.Run("SIGTERM stops the command, gives the leadership up and exits with 0", func(t *testing.T) {
		two.Signal(syscall.SIGTERM)
		assert.Equal(t, 0, two.Wait())
		gone(t, lived(t, note, 2)[1].pid)
		code, stdout, _ := l.run("x", "election", "ls", "-o", "json")
		assert.Equal(t, 0, code)
		assert.Equal(t, "[]\n", stdout)
	})
}

// duel has two daemons, whose commands ignore SIGTERM, and lets strike befall the leader, n times: the
// command must be dead before the other's begins, which each of them checks.
func duel(t *testing.T, n int, strike, heal func(p *process, fault string)) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the guardian that acts for a frozen agent")
	}
	l := newLab(t)
	note := filepath.Join(l.dir, "note")
	elections := "  job: {ttl: 1s, grace: 200ms, run: " + self("helper-deaf", note) + "}\n"
	daemons, faults := map[string]*process{}, map[string]string{}
	for _, node := range []string{"box-1", "box-2"} {
		faults[node] = filepath.Join(l.dir, "fault-"+node)
		daemons[node] = l.serve(node, elections, faultEnv+"="+faults[node])
	}
	for range n {
		all := lived(t, note, 1)
		struck := all[len(all)-1].node
		strike(daemons[struck], faults[struck])
		// An agent that is frozen in the middle of a write keeps the SQLite file locked: nobody leads
		// until it goes on.
		taken := func() bool { return len(lives(t, note)) > len(all) }
		late := time.After(10 * time.Second)
		for waiting := true; waiting && !taken(); {
			select {
			case <-late:
				waiting = false
			case <-time.After(pollTime):
			}
		}
		heal(daemons[struck], faults[struck])
		lived(t, note, len(all)+1)
	}
}

func TestTheCommandOfAFrozenDaemonIsDeadBeforeTheNextOneStarts(t *testing.T) {
	duel(t, 3,
		func(p *process, _ string) { p.Signal(syscall.SIGSTOP) },
		func(p *process, _ string) { p.Signal(syscall.SIGCONT) })
}

func TestTheCommandIsDeadBeforeTheNextOneStartsWhenEveryStoreCallHangs(t *testing.T) {
	duel(t, 3,
		func(_ *process, fault string) { inject(t, fault, "hang") },
		func(_ *process, fault string) { require.NoError(t, os.Remove(fault)) })
}

// inject writes a file of faultEnv; it is seen whole or not at all.
func inject(t *testing.T, file, word string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+".new", []byte(word), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

func TestSecondDaemonOfAStateFolderIsRefused(t *testing.T) {
	l := newLab(t)
	l.serve("box-1", "  web: {}\n")
	code, _, stderr := l.run("box-1", "serve", "-c", l.config("second", "  web: {}\n"))
	assert.Equal(t, 78, code)
	assert.Regexp(t, `agent: another daemon \(pid \d+, on 127.0.0.1:\d+\) has the state folder`, stderr)
	code, _, stderr = l.run("box-1", "serve", "-c", l.config("third", "  web: {}\n"), "--state-dir", filepath.Join(l.dir, "other"), "--listen", "127.0.0.1:"+portOf(t, l))
	assert.Equal(t, 78, code)
	assert.Contains(t, stderr, "another program has it")
}

func TestACommandThatEndsIsRunAgainWhileLeading(t *testing.T) {
	l := newLab(t)
	p := l.serve("box-1", "  job: {run: "+self("helper-exit", "7")+"}\n")
	p.said(`job: the command ended with code 7; running it again in 400 ms`)
	p.answers("/v1/status", 200, `"last":"ended with code 7"`)
	p.Signal(syscall.SIGINT)
	assert.Equal(t, 0, p.Wait())
}

func TestWhatTheCommandGets(t *testing.T) {
	l := newLab(t)
	p := l.serve("box-1", `  web/eu: {env: {COLOUR: green}, dir: `+l.dir+`, run: `+
		self("helper-print", "<$MUSTER_ELECTION $MUSTER_TOKEN $MUSTER_NODE $COLOUR ${NOTIFY_SOCKET}$WATCHDOG_USEC>")+"}\n")
	p.said(`^<web/eu \d+ box-1 green >$`)
}

func TestASecondCtrlCKillsTheCommands(t *testing.T) {
	l := newLab(t)
	note := filepath.Join(l.dir, "note")
	p := l.serve("box-1", "  job: {ttl: 1h, grace: 20m, run: "+self("helper-deaf", note)+"}\n")
	pid := lived(t, note, 1)[0].pid
	p.Signal(syscall.SIGINT)
	p.said(`agent: stopping$`)
	require.Eventually(t, func() bool {
		select {
		case <-p.Done():
			return true
		default:
			_ = p.Cmd.Process.Signal(syscall.SIGTERM) // changes nothing
			_ = p.Cmd.Process.Signal(syscall.SIGINT)
			return false
		}
	}, patience, 200*time.Millisecond)
	p.said(`job: killing the command`)
	gone(t, pid)
}

func TestAnOutageIsShownAndWaitedOut(t *testing.T) {
	l := newLab(t)
	fault := filepath.Join(l.dir, "fault")
	require.NoError(t, os.WriteFile(fault, nil, 0o600))
	p := l.serve("box-1", "  web: {ttl: 2s}\n", faultEnv+"="+fault)
	p.answers("/readyz", 503, `(?s)\[-\] store: .*no route to the store.*not ready\n$`)
	p.answers("/readyz?verbose", 503, `(?m)^\[-\] election web: not seen yet$`)
	code, _ := p.get("/livez")
	assert.Equal(t, 200, code)
	code, stdout, _ := l.run("box-1", "status")
	assert.Equal(t, 1, code)
	assert.Contains(t, stdout, "can't be reached")
	assert.Contains(t, stdout, "not ready")

	require.NoError(t, os.Remove(fault))
	p.answers("/readyz?verbose", 200, `(?s)\[\+\] store ok\n\[\+\] election web ok\nready\n$`)
	p.leads("web")

	require.NoError(t, os.WriteFile(fault, nil, 0o600))
	p.said(`agent: the store can't be reached`)
	p.answers("/readyz", 503, `\[-\] store:`)
	p.answers("/leader/web", 503, `"leading":false`)
	require.NoError(t, os.Remove(fault))
	p.said(`agent: the store answers again`)
	p.leads("web")
	p.answers("/readyz", 200, "ready")
}

func TestAStoreThatHangsDoesNotKeepTheDaemonFromStopping(t *testing.T) {
	t.Run("while it is opened", func(t *testing.T) {
		l := newLab(t)
		l.store = "hang://"
		p := l.serve("box-1", "  web: {}\n")
		p.answers("/readyz", 503, `\[-\] store:`)
		began := time.Now()
		p.Signal(syscall.SIGTERM)
		assert.Equal(t, 0, p.Wait())
		assert.Less(t, time.Since(began), 9*time.Second, "nobody waited for it")
	})
	t.Run("while it leads", func(t *testing.T) {
		l := newLab(t)
		fault, note := filepath.Join(l.dir, "fault"), filepath.Join(l.dir, "note")
		p := l.serve("box-1", "  job: {ttl: 3s, run: "+self("helper-live", note)+"}\n", faultEnv+"="+fault)
		pid := lived(t, note, 1)[0].pid
		inject(t, fault, "hang")
		p.Signal(syscall.SIGTERM)
		assert.Equal(t, 0, p.Wait())
		gone(t, pid)
	})
}

func TestWhatCanNeverWorkEndsTheDaemonAtItsStart(t *testing.T) {
	for name, tt := range map[string]struct {
		elections, store string
		code             int
		says             string
	}{
		"a TTL below the store's shortest": {elections: "  web: {ttl: 500ms}\n", code: 78, says: `ttl 500ms is below this store's shortest, \S+: use at least`},
		"credentials":                      {elections: "  web: {}\n", store: "locked://u:secret@host/", code: 77, says: `the password is wrong`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			if tt.store != "" {
				l.store = tt.store
			}
			code, _, stderr := l.run("box-1", "serve", "-c", l.config("c", tt.elections))
			assert.Equal(t, tt.code, code)
			assert.Regexp(t, tt.says, stderr)
			assert.NotContains(t, stderr, "secret")
		})
	}
}

func TestOnlyThisMachineIsAnswered(t *testing.T) {
	l := newLab(t)
	p := l.serve("box-1", "  web: {}\n")
	code, body := p.get("/v1/status", func(r *http.Request) { r.Host = "evil.example" })
	assert.Equal(t, 403, code)
	assert.Contains(t, body, "evil.example")
	code, _ = p.get("/livez", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") })
	assert.Equal(t, 403, code)
	code, _ = p.get("/livez", func(r *http.Request) { r.Method = http.MethodPost })
	assert.Equal(t, 405, code)
	for path, want := range map[string]string{
		"/": "/leader/ELECTION", "/livez": "ok", "/v1/snapshot?format=tree": "tracker(web)", "/v1/snapshot": `"nodes"`,
		"/metrics": `muster_tracker_leader{election="web",holder="box-1"}`,
	} {
		p.answers(path, 200, `(?s).*`+regexpQuote(want))
	}
	p.answers("/metrics", 200, `muster_engine_starts_total`)
	p.answers("/metrics", 200, `muster_store_requests_total`)
	p.answers("/metrics", 200, `muster_build_info`)
}
