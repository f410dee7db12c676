package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/store"
)

func checkStore(url string) error {
	if strings.HasPrefix(url, "mem:") {
		return nil
	}
	return fmt.Errorf("store URL %q: unknown scheme: %w", url, store.ErrInvalid)
}

func parse(text string) (*config.Config, error) {
	return config.Parse("muster.yaml", []byte(text), checkStore)
}

// With UPDATE=1 in the environment the golden file is written anew.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	text, err := os.ReadFile("testdata/faults.yaml")
	require.NoError(t, err)
	cfg, err := config.Parse("faults.yaml", text, checkStore)
	assert.Nil(t, cfg)
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	const golden = "testdata/faults.golden"
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(golden, []byte(faults.Error()+"\n"), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), faults.Error()+"\n")
}

func TestAFileThatIsNoConfiguration(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an empty file", "", `^muster.yaml: is empty: name at least one election`},
		{"comments only", "# nothing\n", `is empty`},
		{"a text", "hello\n", `^muster.yaml:1:1: the configuration is the text "hello": want keys`},
		{"a list", "- a\n", `^muster.yaml:1:1: the configuration is a list`},
		{"null", "~\n", `1:1: no elections`},
		{"a tab", "elections:\n\tweb: {}\n", `^muster.yaml:2:1: not YAML: found character that cannot start any token.*indent with spaces`},
		{"an open bracket", "elections: {web: {run: [a, b}\n", `^muster.yaml:\d:\d+: not YAML: .*in line 1`},
		{"an open quote", "elections: {web: {dir: \"/x\n", `not YAML: .*quoted scalar that begins in line 1`},
		{"no UTF-8", "elections: {\xff: {}}\n", `^muster.yaml: not YAML: invalid leading UTF-8`},
		{"an alias of nothing", "elections: *web\n", `^muster.yaml:1:12: not YAML: unknown anchor 'web'`},
		{"two documents", "elections: {web: {}}\n---\nelections: {db: {}}\n", `^muster.yaml:2:1: a second document begins here`},
		{"no elections", "node: box-1\n", `^muster.yaml:1:1: no elections: name at least one, for example`},
		{"elections that are empty", "elections:\n", `1:1: no elections`},
		{"elections without an item", "elections: {}\n", `1:1: no elections`},
		{"elections as a list", "elections: [web]\n", `^muster.yaml:1:12: elections is a list: want keys`},
		{"a listen without an address", "listen: :80\nelections: {web: {}}\n", `1:9: listen ":80": no address: write 127.0.0.1:80 for this machine only, 0.0.0.0:80 for all`},
		{"a listen on a name", "listen: example.com:80\nelections: {web: {}}\n", `"example.com" is no IP address`},
		{"a listen on no port", "listen: 127.0.0.1:http\nelections: {web: {}}\n", `the port "http" is no number from 0`},
		{"a listen on a list", "listen: [x]\nelections: {web: {}}\n", `1:9: listen is a list`},
		{"a dir that isn't there", "elections: {web: {run: [sh], dir: /no/such}}\n", `dir: stat /no/such: no such file or directory: make it`},
		{"a dir that is a file", "elections: {web: {run: [sh], dir: /etc/passwd}}\n", `dir /etc/passwd is no folder`},
		{"a TTL that no store could keep", "elections: {web: {ttl: 24ms}}\n", `1:24: election "web": ttl 24ms is too short: use at least 25ms`},
		{"an alias that refers to itself", "elections: {web: &a {run: [sh, *a]}}\n", `a word of run is a mapping`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := parse(tt.text)
			assert.Nil(t, cfg)
			require.Error(t, err)
			assert.Regexp(t, tt.want, err.Error())
			assert.NotContains(t, err.Error(), "\n", "one fault")
		})
	}
}

func TestDefaults(t *testing.T) {
	cfg, err := parse("elections:\n  web:\n  nightly: {run: [sh, -c, true]}\n")
	require.NoError(t, err)
	assert.Equal(t, &config.Config{
		Path: "muster.yaml", Listen: "127.0.0.1:8510",
		Elections: []config.Election{
			{Name: "nightly", TTL: 15 * time.Second, Grace: 5 * time.Second, Run: []string{"sh", "-c", "true"}},
			{Name: "web", TTL: 15 * time.Second, Grace: 5 * time.Second},
		},
	}, cfg)
	assert.Equal(t, 5*time.Second, cfg.MostGrace())
}

func TestEverySetting(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "job"), nil, 0o700))
	cfg, err := parse(`
store: mem://
node: box-1
listen: "[::1]:0"
hosts: [agents.example.com]
state-dir: /var/lib/muster
log:
  level: info
  format: json
elections:
  web/eu: &web
    ttl: 6s
    grace: 1500ms
    run: [./job, 010, yes, ""]
    env: {PORT: 8080, EMPTY: ""}
    dir: ` + dir + `
  web/us: *web
`)
	require.NoError(t, err)
	eu := config.Election{
		Name: "web/eu", TTL: 6 * time.Second, Grace: 1500 * time.Millisecond, Run: []string{"./job", "010", "yes", ""},
		Env: map[string]string{"PORT": "8080", "EMPTY": ""}, Dir: dir,
	}
	us := eu
	us.Name = "web/us"
	assert.Equal(t, &config.Config{
		Path: "muster.yaml", Store: "mem://", Node: "box-1", Listen: "[::1]:0", Hosts: []string{"agents.example.com"},
		StateDir: "/var/lib/muster", Log: config.Log{Level: "info", Format: "json"}, Elections: []config.Election{eu, us},
	}, cfg)
}

func TestTheExampleIsAConfiguration(t *testing.T) {
	cfg, err := parse(config.Example)
	require.NoError(t, err)
	assert.Len(t, cfg.Elections, 2)
}

func TestWhatNeedsARestartIsNamed(t *testing.T) {
	one, err := parse("elections: {web: {}}")
	require.NoError(t, err)
	two, err := parse("{store: mem://, listen: 127.0.0.1:0, hosts: [a], log: {level: info}, elections: {db: {}}}")
	require.NoError(t, err)
	assert.Equal(t, []string{"store", "listen", "hosts", "log"}, one.Restart(two))
	assert.Empty(t, one.Restart(one))
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/faults.yaml"} {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Add(config.Example)
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := parse(text)
		var faults config.Faults
		switch {
		case err == nil:
			require.NotEmpty(t, cfg.Elections)
		case errors.As(err, &faults):
			require.NotEmpty(t, faults)
		default:
			t.Fatal(err)
		}
	})
}
