package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// get asks the development server.
func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// TestTheWalk is what the README tells a newcomer to do.
func TestTheWalk(t *testing.T) {
	l := newLab(t)
	dev := l.start("dev")
	base := dev.Said(dev.stdout, `(http://127\.0\.0\.1:\d+)`)[1]
	for _, path := range []string{"/livez", "/readyz", "/readyz?verbose", "/metrics", "/"} {
		code, body := get(t, base+path)
		assert.Equal(t, 200, code, path)
		assert.NotEmpty(t, body, path)
	}
	dev.Said(dev.stdout, "store: sqlite://"+l.state+"/muster/muster.db")
	hint := dev.Said(dev.stdout, `(?m)^  (.* run hello .*)$`)[1]
	assert.Equal(t, os.Args[0]+" run hello --ttl 3s -- sh -c 'echo I lead with token $MUSTER_TOKEN; exec sleep 999'", hint)
	dev.Said(dev.stdout, "nobody leads hello")

	words := []string{"run", "hello", "--ttl", "3s", "--", "sh", "-c", "echo I lead with token $MUSTER_TOKEN; exec sleep 999"}
	first := l.with("MUSTER_NODE=box-1").start(words...)
	token := number(t, first.Said(first.stdout, `^I lead with token (\d+)$`)[1])
	said := first.Said(first.stderr, `agent: leading hello with token (\d+) \(pid (\d+)\); try: kill -9 (\d+) in another terminal and see the other take over within ([\d.]+) s`)
	assert.Equal(t, []string{fmt.Sprint(token), fmt.Sprint(first.PID()), fmt.Sprint(first.PID())}, said[1:4])
	stated, err := time.ParseDuration(said[4] + "s")
	require.NoError(t, err)
	second := l.with("MUSTER_NODE=box-2").start(words...)
	second.Said(second.stderr, fmt.Sprintf(`agent: waiting for box-1 \(token %d\): at most %s s after it stops answering`, token, said[4]))
	dev.Said(dev.stdout, fmt.Sprintf(`box-1 leads hello with token %d`, token))
	for _, metric := range []string{
		`muster_build_info{`,
		fmt.Sprintf(`muster_election_leader_token{election="hello"} %d`, token),
		`muster_election_candidates{election="hello"} 2`,
		`muster_store_requests_total{`,
	} {
		require.Eventually(t, func() bool {
			_, metrics := get(t, base+"/metrics")
			return strings.Contains(metrics, "\n"+metric)
		}, patience, pollTime, metric)
	}

	killed := time.Now()
	first.Signal(syscall.SIGKILL)
	next := number(t, second.Said(second.stdout, `^I lead with token (\d+)$`)[1])
	took := time.Since(killed)
	assert.Greater(t, next, token)
	// What is stated is for processes that get their turn; a machine whose cores are all busy needs more.
	assert.Less(t, took, stated+10*time.Second)
	dev.Said(dev.stdout, fmt.Sprintf(`box-2 leads hello with token %d`, next))

	dev.Signal(syscall.SIGINT)
	assert.Equal(t, 0, dev.Wait())
	assert.Empty(t, dev.stderr.String())
}

func TestSeveralDevsOnOneMachineGetAlong(t *testing.T) {
	l := newLab(t)
	addresses := map[string]bool{}
	for range 3 {
		dev := l.start("dev")
		base := dev.Said(dev.stdout, `(http://127\.0\.0\.1:\d+)`)[1]
		addresses[base] = true
		code, _ := get(t, base+"/readyz")
		assert.Equal(t, 200, code)
	}
	assert.Len(t, addresses, 3)
}

func TestDevOfAnAddressThatIsTaken(t *testing.T) {
	l := newLab(t)
	dev := l.start("dev", "--addr", "127.0.0.1:0")
	address := dev.Said(dev.stdout, `http://(127\.0\.0\.1:\d+)`)[1]
	second := l.run("dev", "--addr", address)
	assert.Equal(t, 78, second.Wait())
	assert.Contains(t, second.stderr.String(), address)
	assert.Contains(t, second.stderr.String(), "choose another port")
}

func TestDevAsJSONAndOnAnotherStore(t *testing.T) {
	l := newLab(t)
	url := "sqlite://" + t.TempDir() + "/my store.db"
	dev := l.start("dev", "-o", "json", "--store", url)
	dev.Said(dev.stdout, `"event":"vacant"`)
	p := l.start(append([]string{"run", "hello", "--store", url}, self("helper-sleep")...)...)
	p.leads(0)
	dev.Said(dev.stdout, `"event":"leader"`)
	dev.Signal(syscall.SIGTERM)
	assert.Equal(t, 0, dev.Wait())
	lines := strings.Split(strings.TrimSpace(dev.stdout.String()), "\n")
	for _, line := range lines {
		require.True(t, json.Valid([]byte(line)), line)
	}
	var ready struct{ Event, URL, Store string }
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &ready))
	assert.Equal(t, "ready", ready.Event)
	assert.True(t, strings.HasPrefix(ready.URL, "http://127.0.0.1:"), ready.URL)

	text := l.start("dev", "--store", url)
	text.Said(text.stdout, ` run hello --store sqlite://\S*/my%20store\.db --ttl 3s -- sh`)
}
