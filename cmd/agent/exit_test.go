package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// self is the command line that runs a helper.
func self(args ...string) []string { return append([]string{"--", os.Args[0]}, args...) }

func TestBadInputIsRefusedInOneLineAndLeavesNothing(t *testing.T) {
	notADatabase := filepath.Join(t.TempDir(), "text.db")
	require.NoError(t, os.WriteFile(notADatabase, []byte(strings.Repeat("This is no database. ", 100)), 0o600))
	notExecutable := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(notExecutable, nil, 0o600))
	tests := []struct {
		name string
		args string // split at blanks; TRUE stands for "-- helper-exit 0"
		env  string
		code int
		want []string // parts of the line
	}{
		{name: "an unknown command", args: "rnu hello", code: 64, want: []string{`unknown command "rnu"`, "did you mean run?"}},
		{name: "an unknown command of a group", args: "election shwo hello", code: 64, want: []string{`"election shwo"`, "did you mean show?"}},
		{name: "a group without a command", args: "election", code: 64, want: []string{"missing command", "ls, resign, show, watch"}},
		{name: "an unknown flag", args: "run hello --tll 3s TRUE", code: 64, want: []string{"unknown flag --tll", "did you mean --ttl?"}},
		{name: "an unknown short flag", args: "run hello -x TRUE", code: 64, want: []string{"unknown shorthand flag", "run --help"}},
		{name: "a flag without its value", args: "run hello --ttl", code: 64, want: []string{"flag needs an argument", "--ttl"}},
		{name: "no election", args: "run TRUE", code: 64, want: []string{"missing ELECTION", "agent run ELECTION"}},
		{name: "no command", args: "run hello", code: 64, want: []string{"missing COMMAND", `after "--"`}},
		{name: "nothing after the dashes", args: "run hello --", code: 64, want: []string{"missing COMMAND"}},
		{name: "a command without the dashes", args: "run hello sleep 9", code: 64, want: []string{`put "--"`, "agent run hello -- sleep 9"}},
		{name: "a command with flags without the dashes", args: "run hello sh -c true", code: 64, want: []string{`put "--"`, "agent run hello -- sh"}},
		{name: "two elections", args: "run hello there TRUE", code: 64, want: []string{`unexpected argument "there"`}},
		{name: "no election to show", args: "election show", code: 64, want: []string{"missing NAME"}},
		{name: "one election too many", args: "election watch a b", code: 64, want: []string{`unexpected argument "b"`}},
		{name: "an unknown shell", args: "completion tcsh", code: 64, want: []string{`"completion tcsh"`}},
		{name: "help for nothing", args: "help runn", code: 64, want: []string{"did you mean run?"}},
		{name: "wrong words before wrong values", args: "run hello --ttl never --bogus TRUE", code: 64, want: []string{"--bogus"}},

		{name: "a TTL that is no time", args: "run hello --ttl 3 TRUE", code: 78, want: []string{`--ttl "3"`, "15s"}},
		{name: "a TTL of nothing", args: "run hello --ttl 0s TRUE", code: 78, want: []string{"--ttl 0s", "more than 0"}},
		{name: "a TTL below the store's shortest", args: "run hello --ttl 10ms --grace 1ms TRUE", code: 78, want: []string{"10ms", "below this store's shortest", "use at least", "×"}},
		{name: "a grace that is too long", args: "run hello --ttl 4s --grace 2s TRUE", code: 78, want: []string{"--grace 2s", "half of --ttl 4s", "above 4s"}},
		{name: "a wait of nothing", args: "run hello --wait 0 TRUE", code: 78, want: []string{"--wait 0"}},
		{name: "an unknown reaction", args: "run hello --on-lost shrug TRUE", code: 78, want: []string{`--on-lost "shrug"`, "recampaign or exit"}},
		{name: "a switch that is neither on nor off", args: "run hello --restart=perhaps TRUE", code: 78, want: []string{"--restart", "perhaps"}},
		{name: "a name with dots", args: "run ../hello TRUE", code: 78, want: []string{`"../hello"`, `".."`, "leave it out"}},
		{name: "an empty name", args: "run EMPTY TRUE", code: 78, want: []string{"election name", "is empty"}},
		{name: "an election to show with dots", args: "election show a/../b", code: 78, want: []string{`".."`}},
		{name: "an empty election to watch", args: "election watch EMPTY", code: 78, want: []string{"is empty"}},
		{name: "a node with a hash", args: "run hello --node a#b TRUE", code: 78, want: []string{"--node", `"#"`}},
		{name: "a node from the environment", args: "run hello TRUE", env: "MUSTER_NODE=a//b", code: 78, want: []string{"MUSTER_NODE", "a//b"}},
		{name: "an unknown scheme", args: "election ls --store sqlit:///x.db", code: 78, want: []string{`unknown scheme "sqlit"`, "did you mean sqlite?"}},
		{name: "an unknown scheme from the environment", args: "run hello TRUE", env: "MUSTER_STORE=memm://", code: 78, want: []string{`unknown scheme "memm"`, "did you mean mem?"}},
		{name: "a store without a scheme", args: "election ls --store /var/x.db", code: 78, want: []string{"no scheme", "sqlite:///"}},
		{name: "an empty store, as of a variable that isn't set", args: "run hello --store EMPTY TRUE", code: 78, want: []string{"--store", "is empty"}},
		{name: "an empty node", args: "run hello --node EMPTY TRUE", code: 78, want: []string{"--node", "is empty"}},
		{name: "an empty wait", args: "run hello --wait EMPTY TRUE", code: 78, want: []string{"--wait", "not a length of time"}},
		{name: "an unknown output", args: "election ls -o xml", code: 78, want: []string{`--output "xml"`, "text or json"}},
		{name: "an unknown log level", args: "version --log-level loud", code: 78, want: []string{"--log-level", "debug or info or warn or error"}},
		{name: "an unknown log format", args: "version --log-format xml", code: 78, want: []string{"--log-format"}},
		{name: "a timeout of nothing", args: "election ls --timeout -1s", code: 78, want: []string{"--timeout -1s"}},
		{name: "an address that others can reach", args: "dev --addr 0.0.0.0:0", code: 78, want: []string{"--addr", "this machine only"}},
		{name: "a file that is no database", args: "election ls --store sqlite://" + notADatabase, code: 78, want: []string{notADatabase, "database"}},
		{name: "a command that doesn't exist", args: "run hello -- no-such-command", code: 127, want: []string{`"no-such-command"`, "not found in PATH"}},
		{name: "a path that doesn't exist", args: "run hello -- ./no/such", code: 127, want: []string{"./no/such", "no such file"}},
		{name: "a file that can't be executed", args: "run hello -- " + notExecutable, code: 127, want: []string{notExecutable, "chmod +x"}},
		{name: "a folder as the command", args: "run hello -- /", code: 127, want: []string{"it is a folder"}},
		{name: "an empty command", args: "run hello -- EMPTY", code: 127, want: []string{`command ""`, "is empty"}},
		{name: "a bad value before a command that doesn't exist", args: "run hello --ttl x -- no-such-command", code: 78, want: []string{"--ttl"}},
		{name: "a command that doesn't exist before the store", args: "run hello --store hang:// -- no-such-command", code: 127, want: []string{"not found"}},

		{name: "credentials", args: "election ls --store locked://u:secret@host/", code: 77, want: []string{"locked://u:xxxxx@host", "the password is wrong"}},
		{name: "a store that doesn't answer", args: "run hello --store hang:// --timeout 100ms TRUE", code: 69, want: []string{"hang:", "did not answer within 100 ms", "--timeout"}},
		{name: "a store that doesn't answer a question", args: "election show hello --store hang:// --timeout 100ms", code: 69, want: []string{"did not answer"}},
		{name: "a store that doesn't answer agent dev", args: "dev --store hang:// --timeout 100ms", code: 69, want: []string{"did not answer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			var args []string
			for _, word := range strings.Fields(tt.args) {
				switch word {
				case "TRUE":
					args = append(args, self("helper-exit", "0")...)
				case "EMPTY":
					args = append(args, "")
				default:
					args = append(args, word)
				}
			}
			p := l.with(tt.env).run(args...)
			assert.Equal(t, tt.code, p.Wait())
			assert.Empty(t, p.stdout.String())
			line := p.stderr.String()
			assert.True(t, strings.HasPrefix(line, "agent: "), line)
			assert.Equal(t, 1, strings.Count(line, "\n"), line)
			assert.NotContains(t, line, "secret")
			for _, part := range tt.want {
				assert.Contains(t, line, part)
			}
			if _, err := os.Stat(l.state); err == nil {
				left := l.run("election", "ls", "-o", "json")
				assert.Equal(t, "[]\n", left.stdout.String(), "nothing is left in the store")
			}
		})
	}
}

func TestTheLogFlagsHoldForTheStoreToo(t *testing.T) {
	l := newLab(t)
	folder := t.TempDir()
	path := filepath.Join(folder, "muster.db")
	p := l.start(append([]string{"run", "hello", "--ttl", "2s", "--log-format", "json", "--store", "sqlite://" + path}, self("helper-sleep")...)...)
	p.leads(0)
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Rename(path+end, filepath.Join(folder, "moved.db"+end))
	}
	p.Said(p.stderr, `"msg":"SQLite store lost`)
	assert.NotRegexp(t, `(?m)^[0-9]{4}/`, p.stderr.String(), "nothing went to another logger")
	assert.NotContains(t, p.stderr.String(), "INFO", "which the level leaves out")
}

func TestNoPermissionIsSaid(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("the administrator has every permission")
	}
	l := newLab(t)
	locked := filepath.Join(t.TempDir(), "locked")
	require.NoError(t, os.Mkdir(locked, 0o500))
	p := l.run("election", "ls", "--store", "sqlite://"+locked+"/muster.db")
	assert.Equal(t, 77, p.Wait())
	assert.Contains(t, p.stderr.String(), locked)
}

func TestTheCommandsExitCodePasses(t *testing.T) {
	t.Run("its own", func(t *testing.T) {
		l := newLab(t)
		for _, code := range []string{"0", "7"} {
			p := l.run(append([]string{"run", "hello"}, self("helper-exit", code)...)...)
			assert.Equal(t, int(number(t, code)), p.Wait())
			shown := l.run("election", "show", "hello")
			assert.Equal(t, 1, shown.Wait(), "it resigned")
			assert.Contains(t, shown.stderr.String(), "no candidates")
		}
	})
	t.Run("that of the signal which killed it", func(t *testing.T) {
		p := newLab(t).run(append([]string{"run", "hello"}, self("helper-suicide")...)...)
		assert.Equal(t, 128+9, p.Wait())
	})
}

func TestTheCommandGetsItsEnvironmentAndItsInput(t *testing.T) {
	l := newLab(t)
	p := l.with("MUSTER_NODE=from-env", "MUSTER_TOKEN=stale").run(append([]string{"run", "hello/world"}, self("helper-env")...)...)
	assert.Equal(t, 0, p.Wait(), p.stderr)
	token := p.leads(0)
	assert.Positive(t, token)
	assert.Regexp(t, `^election=hello/world token=`+p.Said(p.stderr, `token (\d+)`)[1]+` node=from-env\n$`, p.stdout.String())

	cat := l.command(append([]string{"run", "hello", "--node", "flag"}, self("helper-cat")...)...)
	cat.stdin = "through and through\n"
	assert.Equal(t, 0, cat.start().Wait())
	assert.Equal(t, "through and through\n", cat.stdout.String(), "stdout is the command's alone")
	assert.Contains(t, cat.stderr.String(), "agent: flag (pid ")
}
