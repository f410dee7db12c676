package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/daemon"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/cmd/agent/internal/statedir"
	"github.com/muster-go/muster/store"
)

// etcConfig is where the configuration is looked for after the user's own.
const etcConfig = "/etc/muster/muster.yaml"

// serveFlags are the flags of agent serve as they were typed.
type serveFlags struct {
	config, listen, node, stateDir word
	check                          bool
}

func newServe(p *program) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [-c FILE]",
		Short: "Stand for the elections of a configuration, run their commands while leading, and tell how it goes",
		Long: `Stand for the elections of a configuration, run their commands while leading, and tell how it goes.

The configuration is YAML. Without -c it is muster/muster.yaml in $XDG_CONFIG_HOME (or ~/.config),
else ` + etcConfig + `. Every fault of it is told at once, with line and column, before anything
is started; --check does no more than that. All keys but elections can be left out:

  store: sqlite:///var/lib/muster/muster.db   # default as for the other commands
  node: box-1                                 # default: the host's name
  listen: 127.0.0.1:8510                      # others than this machine reach it only if this says so
  hosts: [agents.example.com]                 # further names under which HTTP requests may come
  state-dir: /var/lib/muster                  # where agent status finds the daemon
  log: {level: warn, format: text}
  elections:
    nightly:
      ttl: 15s                                # how long the leadership outlives an agent that stopped answering
      grace: 5s                               # how long the command may take to stop
      run: [./nightly.sh, --full]             # only while leading; one word each, no shell
      env: {REGION: eu}
      dir: /srv/nightly
    web: {}                                   # stands, and shows who leads

Flags and MUSTER_STORE and MUSTER_NODE go before the file. A command is run as agent run does it, and
again when it ends while the agent leads; its output is the agent's, its input empty.

It serves /livez, /readyz (?verbose), /metrics, /leader/ELECTION (200 while this agent leads, else
503), /v1/status and /v1/snapshot, to GET and HEAD, and to no page of another site. See agent status
and agent graph. systemd is told by sd_notify, with its watchdog.

A store that can't be reached is waited for; --timeout doesn't count here. SIGHUP takes over the
configuration as it is now, if it has no faults, and stops only what changed; settings other than
elections need a restart. SIGTERM and Ctrl-C stop the commands, give the leaderships up and exit with
0; a second Ctrl-C kills the commands, a third waits for nothing.`,
		Example: `  agent serve -c /etc/muster/muster.yaml
  agent serve -c muster.yaml --check
  agent serve -c muster.yaml --store sqlite:///srv/muster.db --listen 127.0.0.1:0 --log-level info`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd, f) },
	}
	flags := cmd.Flags()
	flags.VarP(&f.config, "config", "c", "`FILE` with the configuration (default muster/muster.yaml in your configuration folder, else "+etcConfig+")")
	flags.BoolVar(&f.check, "check", false, "only say what is wrong with the configuration")
	flags.Var(&f.listen, "listen", "`ADDRESS` to serve on (default that of the configuration, else "+config.DefaultListen+")")
	flags.Var(&f.node, "node", "`NAME` that others see as the leader (default $MUSTER_NODE, else that of the configuration, else the host's name)")
	flags.Var(&f.stateDir, "state-dir", stateDirText)
	if err := cmd.MarkFlagFilename("config", "yaml", "yml"); err != nil {
		panic(err) // the flag is registered just above
	}
	if err := cmd.MarkFlagDirname("state-dir"); err != nil {
		panic(err) // as above
	}
	return cmd
}

const stateDirText = "`FOLDER` where the daemon says where it is (default that of the configuration, else your state directory)"

// checkWords refuses empty words among the flags.
func (f *serveFlags) checkWords() error {
	return errors.Join(f.config.check("--config"), f.listen.check("--listen"), f.node.check("--node"), f.stateDir.check("--state-dir"))
}

func (p *program) serve(cmd *cobra.Command, f serveFlags) error {
	if _, err := p.check(); err != nil { // the flags first
		return err
	}
	if err := f.checkWords(); err != nil {
		return err
	}
	path, err := configPath(f.config.text)
	if err != nil {
		return p.tellFaults(err)
	}
	file, err := p.readConfig(path)
	if err != nil {
		return p.tellFaults(err)
	}
	s, err := p.settle(cmd, &f, file)
	if err != nil {
		return err
	}
	node, err := nodeName(f.node.text)
	if err != nil {
		return err
	}
	if err := config.CheckListen(f.listen.text); err != nil {
		return exit.Errorf(exit.Value, "--listen: %w", err)
	}
	if f.check {
		elections := "1 election"
		if n := len(file.Elections); n > 1 {
			elections = fmt.Sprintf("%d elections", n)
		}
		p.printer(s).Line(say.Line{Event: "checked", Store: store.Redact(s.store.url), Text: fmt.Sprintf("%s: no faults: %s, store %s, node %s, listen %s",
			path, elections, store.Redact(s.store.url), node, f.listen.text)})
		return nil
	}
	return p.startDaemon(cmd.Context(), s, f, file, node)
}

// settle fills in what neither a flag nor the environment says from the file, and gives the settings
// that come of it.
func (p *program) settle(cmd *cobra.Command, f *serveFlags, file *config.Config) (settings, error) {
	if p.common.store.text == "" && os.Getenv("MUSTER_STORE") == "" {
		p.common.store.text = file.Store
	}
	if file.Log.Level != "" && !cmd.Flags().Changed("log-level") {
		p.common.logLevel = file.Log.Level
	}
	if file.Log.Format != "" && !cmd.Flags().Changed("log-format") {
		p.common.logFormat = file.Log.Format
	}
	if f.node.text == "" && os.Getenv("MUSTER_NODE") == "" {
		f.node.text = file.Node
	}
	if f.listen.text == "" {
		f.listen.text = file.Listen
	}
	if f.stateDir.text == "" {
		f.stateDir.text = file.StateDir
	}
	return p.check()
}

// startDaemon takes what only one can have, and runs the daemon.
func (p *program) startDaemon(ctx context.Context, s settings, f serveFlags, file *config.Config, node string) error {
	dir, err := daemonDir(f.stateDir.text)
	if err != nil {
		return err
	}
	if err := s.store.makeDir(); err != nil {
		return err
	}
	state, err := statedir.Take(dir)
	if err != nil {
		return err
	}
	listener, err := listenFor(ctx, f.listen.text)
	if err != nil {
		state.Release()
		return err
	}
	out := &say.Printer{W: p.stderr, JSON: s.json, Prefix: "agent: "}
	if s.store.private() {
		out.Line(say.Line{Event: "warning", Text: "mem:// is private to this process: no other agent will see these leaderships; use it for trying things only"})
	}
	if full, text := guard.Protection(); !full {
		out.Line(say.Line{Event: "warning", Text: text})
	}
	if at, ok := listener.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		out.Line(say.Line{Event: "warning", Text: "serving on " + at.String() + ": whoever reaches it can read who leads, and what the commands are"})
	}
	b := buildInfo()
	return daemon.Run(daemon.Config{
		File: file, Reload: func() (*config.Config, error) { return p.readConfig(file.Path) },
		StoreURL: s.store.url, Openers: p.openers, Node: node, Listener: listener, Hosts: file.Hosts, State: state,
		Version: b.Version, Revision: b.Revision, Stdout: p.stdout, Stderr: p.stderr, Say: out, Logger: s.log,
	})
}

// listenFor takes the address to serve on.
func listenFor(ctx context.Context, address string) (net.Listener, error) {
	var how net.ListenConfig
	listener, err := how.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, exit.Errorf(exit.Denied, "listen: %w: choose a port above 1023", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, exit.Errorf(exit.Value, "listen: %w: another program has it (a second agent?): choose another port with listen, or --listen", err)
	}
	return nil, exit.Errorf(exit.Value, "listen: %w: choose an address of this machine", err)
}

// daemonDir is the folder in which a daemon says where it is.
func daemonDir(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	dir, err := stateDir()
	if err != nil {
		return "", exit.Errorf(exit.Value, "no place for the daemon's state (%w): set HOME or XDG_STATE_HOME, or name a folder with --state-dir", err)
	}
	return dir, nil
}

// configPath finds the configuration.
func configPath(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	var tried []string
	if dir, err := os.UserConfigDir(); err == nil {
		tried = append(tried, filepath.Join(dir, "muster", "muster.yaml"))
	}
	tried = append(tried, etcConfig)
	for _, path := range tried {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil // if it can't be read, reading it says why
		}
	}
	return "", config.Faults{{Path: tried[0], Text: "there is no configuration: write one there, or in " + etcConfig + ", or name one with -c; for example:\n" + config.Example}}
}

// readConfig reads and checks a configuration.
func (p *program) readConfig(path string) (*config.Config, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, exit.Errorf(exit.Value, "configuration: %w: write it (agent serve --help shows how), or name another with -c", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, exit.Errorf(exit.Denied, "configuration: %w: make it readable for this user", err)
	case err != nil:
		return nil, exit.Errorf(exit.Value, "configuration: %w", err)
	}
	return config.Parse(path, text, p.openers.Check)
}

// tellFaults prints the faults of a configuration, a line each.
func (p *program) tellFaults(err error) error {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return err
	}
	for _, fault := range faults {
		fmt.Fprintf(p.stderr, "agent: %v\n", fault)
	}
	return exit.Silent(exit.Value)
}
