package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/config"
)

func TestCheckTellsAllFaultsAndStartsNothing(t *testing.T) {
	l := newLab(t)
	path := l.config("c", "  web: {tll: 3s}\n  job: {run: [no-such-command]}\n  web: {}\n")
	for _, args := range [][]string{{"serve", "--check", "-c", path}, {"serve", "-c", path}} {
		code, stdout, stderr := l.run("box-1", args...)
		assert.Equal(t, 78, code)
		assert.Empty(t, stdout)
		assert.Equal(t, strings.Join([]string{
			`agent: ` + path + `:3:9: election "web": unknown key "tll": did you mean ttl?`,
			`agent: ` + path + `:4:15: election "job": run: command "no-such-command": not found in PATH; check its spelling, or give its path`,
			`agent: ` + path + `:5:3: elections: key "web" stands twice, first in line 3: leave one of them out`,
		}, "\n")+"\n", stderr)
	}
	assert.NoDirExists(t, filepath.Join(l.dir, "state-box-1"))
	code, stdout, stderr := l.run("box-1", "serve", "--check", "-c", l.config("d", "  web: {}\n"))
	assert.Equal(t, 0, code, stderr)
	assert.Contains(t, stdout, "d.yaml: no faults: 1 election, store sqlite://")
	assert.NoDirExists(t, filepath.Join(l.dir, "state-box-1"))
}

func TestWithoutAConfigurationItSaysHowToWriteOne(t *testing.T) {
	l := newLab(t)
	if _, err := os.Stat("/etc/muster"); err == nil {
		t.Skip("this machine has a configuration")
	}
	code, _, stderr := l.run("box-1", "serve")
	assert.Equal(t, 78, code)
	assert.Contains(t, stderr, filepath.Join(l.dir, "config", "muster", "muster.yaml")+": there is no configuration: write one there")
	assert.Contains(t, stderr, config.Example)
	code, _, stderr = l.run("box-1", "serve", "-c", "/no/such.yaml")
	assert.Equal(t, 78, code)
	assert.Equal(t, "agent: configuration: open /no/such.yaml: no such file or directory: write it (agent serve --help shows how), or name another with -c\n", stderr)

	dir := filepath.Join(l.dir, "config", "muster")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "muster.yaml"), []byte(config.Example), 0o600))
	code, stdout, stderr := l.run("box-1", "serve", "--check")
	assert.Equal(t, 0, code, stderr)
	assert.Contains(t, stdout, "2 elections")
}

func TestFlagsGoBeforeTheEnvironmentAndThatBeforeTheFile(t *testing.T) {
	l := newLab(t)
	path := l.config("c", "  web: {}\nstore: sqlite:///file.db\nnode: from-file\n")
	check := func(env []string, args ...string) string {
		t.Helper()
		p := l.command("", append([]string{"serve", "--check", "-c", path}, args...)...)
		p.Cmd.Env = append(p.Cmd.Env, append([]string{"MUSTER_STORE=", "MUSTER_NODE="}, env...)...)
		p.Start()
		require.Equal(t, 0, p.Wait())
		return p.out.String()
	}
	assert.Contains(t, check(nil), "store sqlite:///file.db, node from-file, listen 127.0.0.1:0")
	assert.Contains(t, check([]string{"MUSTER_STORE=sqlite:///env.db", "MUSTER_NODE=from-env"}), "store sqlite:///env.db, node from-env")
	assert.Contains(t, check([]string{"MUSTER_STORE=sqlite:///env.db", "MUSTER_NODE=from-env"}, "--store", "sqlite:///flag.db", "--node", "n", "--listen", "[::1]:0"),
		"store sqlite:///flag.db, node n, listen [::1]:0")
	for flag, says := range map[string]string{
		"--listen=:80": "no address", "--node=a#b": `"#"`, "--config=": "is empty", "--state-dir=": "is empty", "--log-level=loud": "--log-level",
	} {
		code, _, stderr := l.run("box-1", "serve", "--check", "-c", path, flag)
		assert.Equal(t, 78, code, flag)
		assert.Contains(t, stderr, says)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
}

func TestHelpHasExamples(t *testing.T) {
	l := newLab(t)
	for _, command := range []string{"serve", "status", "graph"} {
		code, stdout, _ := l.run("box-1", command, "--help")
		assert.Equal(t, 0, code)
		assert.Contains(t, stdout, "Examples:")
	}
}

// What is shipped beside the program must work.
func TestTheShippedConfigurationHasNoFaults(t *testing.T) {
	l := newLab(t)
	code, stdout, stderr := l.run("box-1", "serve", "--check", "-c", "../../../../examples/serve/muster.yaml")
	assert.Equal(t, 0, code, stderr)
	assert.Contains(t, stdout, "no faults")
	unit, err := os.ReadFile("../../../../examples/serve/muster.service")
	require.NoError(t, err)
	for _, line := range []string{"Type=notify\n", "WatchdogSec=", "ExecStart=", "StateDirectory=muster"} {
		assert.Contains(t, string(unit), line)
	}
}

// The example of the README must work.
func TestTheExampleOfTheReadmeHasNoFaults(t *testing.T) {
	l := newLab(t)
	readme, err := os.ReadFile("../../../../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "```yaml\n")
	require.True(t, found)
	text, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	path := filepath.Join(l.dir, "muster.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	code, _, stderr := l.run("box-1", "serve", "--check", "-c", path)
	assert.Equal(t, 0, code, stderr)
}
