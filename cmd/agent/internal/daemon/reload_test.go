package daemon_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReload(t *testing.T) {
	l := newLab(t)
	stays, changes := filepath.Join(l.dir, "stays"), filepath.Join(l.dir, "changes")
	election := func(name, ttl, note string) string {
		return "  " + name + ": {ttl: " + ttl + ", run: " + self("helper-live", note) + "}\n"
	}
	p := l.serve("box-1", election("stays", "20s", stays)+election("changes", "20s", changes)+"  goes: {ttl: 30s}\n")
	for _, name := range []string{"stays", "changes", "goes"} {
		p.leads(name)
	}
	before := lived(t, changes, 1)[0]
	hup := func(elections, says string) {
		t.Helper()
		l.config("box-1", elections)
		said := p.out.Len()
		p.Signal(syscall.SIGHUP)
		p.saidAfter(said, says)
	}

	// Faults leave all as it is.
	hup("  stays: {tll: 2s}\n  x: {run: no}\n", `box-1.yaml:3:11: election "stays": unknown key "tll": did you mean ttl\?(?s:.*)the old one goes on`)
	hup("  stays: {ttl: 500ms}\n", `ttl 500ms is below this store's shortest(?s:.*)the old one goes on`)
	p.leads("goes")

	// Another command, in the same term; another election; one less.
	hup(election("stays", "20s", stays)+election("changes", "20s", changes+"2")+"  comes: {ttl: 40s}\n", `configuration .* taken over`)
	p.leads("comes")
	after := lived(t, changes+"2", 1)[0]
	assert.Equal(t, before.token, after.token, "another command does not cost the leadership")
	gone(t, before.pid)
	code, _ := p.get("/leader/goes")
	assert.Equal(t, 404, code)
	assert.NotContains(t, p.answers("/v1/snapshot?format=tree", 200, "comes"), "(30s)", "nobody needs that claimer any more")

	// Another TTL is another stand.
	hup(election("stays", "20s", stays)+election("changes", "30s", changes+"2")+"  comes: {ttl: 40s}\n", `configuration .* taken over`)
	assert.Greater(t, lived(t, changes+"2", 2)[1].token, after.token)
	assert.Len(t, lives(t, stays), 1, "what did not change was left alone")

	// The rest needs a restart.
	said := p.out.Len()
	rewrite(t, filepath.Join(l.dir, "box-1.yaml"), func(text string) string {
		return strings.Replace(text, "listen: 127.0.0.1:0", "listen: 127.0.0.1:1\nnode: other\n", 1)
	})
	p.Signal(syscall.SIGHUP)
	p.saidAfter(said, `agent: node, listen: a change takes effect only when the agent is started again`)
	p.Signal(syscall.SIGTERM)
	assert.Equal(t, 0, p.Wait())
}
