package cli

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/command"
	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/cmd/agent/internal/running"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/store"
)

// runFlags are the flags of agent run as they were typed.
type runFlags struct {
	ttl, grace, wait duration
	onLost           string
	node             word
	restart          bool
}

func newRun(p *program) *cobra.Command {
	f := runFlags{
		ttl:   duration{flag: "--ttl", text: "15s"},
		grace: duration{flag: "--grace"},
		wait:  duration{flag: "--wait"},
	}
	cmd := &cobra.Command{
		Use:   "run ELECTION [flags] -- COMMAND [ARGUMENT…]",
		Short: "Run a command only while leading an election",
		Long: `Run a command only while leading an election.

The agent stands for ELECTION, waits until it leads, and runs COMMAND, without a shell. The command
gets MUSTER_ELECTION, MUSTER_TOKEN (the fencing token: greater at every change of leader) and
MUSTER_NODE. Its input and output are the agent's; the agent's own words go to stderr.

When the command ends, the agent gives the leadership up and exits with the command's code. When
leadership is lost, the command is stopped (SIGTERM, SIGKILL after --grace) before another agent can
lead, even if this agent is frozen or its store hangs. Every signal is passed on to the command;
Ctrl-C and SIGTERM stop it, give the leadership up, and exit with 128 + the signal's number; a
second Ctrl-C kills it. While no command runs, SIGHUP and SIGQUIT end the agent too.`,
		Example: `  agent run nightly -- ./report.sh --full
  agent run hello --ttl 3s -- sh -c 'echo I lead with token $MUSTER_TOKEN; exec sleep 999'
  agent run importer --wait 1m --on-lost exit -- importer -v
  agent run web --restart --store sqlite:///srv/muster.db -- web-server --port 8080`,
		Args: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			switch {
			case len(args) == 0 || dash == 0:
				return exit.Errorf(exit.Usage, "run: missing ELECTION: usage: %s", cmd.UseLine())
			case dash < 0 && len(args) > 1:
				return exit.Errorf(exit.Usage, `run: put "--" between the election and the command: agent run %s -- %s`, args[0], strings.Join(args[1:], " "))
			case dash > 1:
				return exit.Errorf(exit.Usage, `run: unexpected argument %q before "--": usage: %s`, args[1], cmd.UseLine())
			case len(args) == 1:
				return exit.Errorf(exit.Usage, `run: missing COMMAND: put it after "--", for example: agent run %s -- sleep 999`, args[0])
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return p.run(cmd, f, args) },
		ValidArgsFunction: p.completeElection,
	}
	flags := cmd.Flags()
	flags.Var(&f.ttl, "ttl", "how long the leadership outlives an agent that stopped answering")
	flags.Var(&f.grace, "grace", "how long the command may take to stop (default a third of --ttl, at most 5s)")
	flags.Var(&f.wait, "wait", "how long to wait for leadership (default for ever)")
	flags.StringVar(&f.onLost, "on-lost", "recampaign", "`WHAT` to do when leadership is lost: recampaign or exit")
	flags.BoolVar(&f.restart, "restart", false, "run the command again when it ends, while leading")
	flags.Var(&f.node, "node", "`NAME` that others see as the leader (default $MUSTER_NODE, else the host's name)")
	if err := cmd.RegisterFlagCompletionFunc("on-lost", cobra.FixedCompletions(lostActions, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is registered just above
	}
	return cmd
}

var lostActions = []string{"recampaign", "exit"}

// values turns what was typed into what it means.
func (f *runFlags) values(election string) (running.Config, error) {
	var cfg running.Config
	err := oneOf("--on-lost", f.onLost, lostActions)
	if err == nil {
		cfg.TTL, err = f.ttl.positive()
	}
	cfg.Grace = command.DefaultGrace(cfg.TTL)
	if err == nil && f.grace.given {
		cfg.Grace, err = f.grace.positive()
	}
	if err == nil && f.wait.given {
		cfg.Wait, err = f.wait.positive()
	}
	if err != nil {
		return cfg, err
	}
	if err := command.CheckGrace("--grace", cfg.Grace, "--ttl", cfg.TTL); err != nil {
		return cfg, err
	}
	if err := store.CheckName("election", election); err != nil {
		return cfg, err
	}
	if err := f.node.check("--node"); err != nil {
		return cfg, err
	}
	cfg.Node, err = nodeName(f.node.text)
	cfg.Election, cfg.ExitWhenLost, cfg.Restart = election, f.onLost == "exit", f.restart
	return cfg, err
}

// nodeName takes the flag, else the environment, else the host's name.
func nodeName(flag string) (string, error) {
	from := "--node"
	if flag == "" {
		flag, from = os.Getenv("MUSTER_NODE"), "MUSTER_NODE"
	}
	if flag == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", exit.Errorf(exit.Value, "this host's name is unknown (%w): give one with --node", err)
		}
		flag, from = host, "host name"
	}
	if err := config.CheckNode(flag); err != nil {
		return "", exit.Errorf(exit.Value, "%s: %w", from, err)
	}
	return flag, nil
}

func (p *program) run(cmd *cobra.Command, f runFlags, args []string) error {
	s, err := p.check()
	if err != nil {
		return err
	}
	cfg, err := f.values(args[0])
	if err != nil {
		return err
	}
	cfg.Argv = args[1:]
	if _, err := guard.LookPath(cfg.Argv[0], os.Environ(), ""); err != nil {
		return exit.Errorf(exit.NoCommand, "run: %w", err)
	}
	signals := running.CatchSignals()
	defer signals.Stop()
	cfg.Signals, cfg.Logger = signals, s.log
	cfg.Say = &say.Printer{W: p.stderr, JSON: s.json, Prefix: "agent: "}
	cfg.Stdin, cfg.Stdout, cfg.Stderr = os.Stdin, p.stdout, p.stderr

	opened, err := p.openUnlessSignalled(cmd.Context(), s, signals)
	if err != nil {
		return err
	}
	cfg.Limits = opened.Limits()
	if !f.ttl.given {
		cfg.TTL = fitting(cfg.Limits, cfg.TTL)
		if !f.grace.given {
			cfg.Grace = command.DefaultGrace(cfg.TTL)
		}
	}
	if err := cfg.Limits.Check(cfg.TTL); err != nil {
		return exit.Errorf(exit.Value, "--ttl: store %s: %w", store.Redact(s.store.url), err)
	}
	if s.store.private() {
		cfg.Say.Line(say.Line{Event: "warning", Text: "mem:// is private to this process: no other agent will see this leadership; use it for trying things only"})
	}
	if full, text := guard.Protection(); !full {
		cfg.Say.Line(say.Line{Event: "warning", Text: text})
	}
	cfg.Queue, err = claimer.New(claimer.Config{Store: opened, TTL: cfg.TTL, Logger: s.log})
	if err != nil {
		return err
	}
	// After it the process ends: the store is not closed, as it may hang.
	return running.Run(cfg)
}

// openUnlessSignalled is open, which a signal that ends the agent cuts short.
func (p *program) openUnlessSignalled(ctx context.Context, s settings, signals *running.Signals) (*store.Store, error) {
	ctx, stop := signals.Context(ctx)
	opened, err := p.open(ctx, s, nil)
	stop()
	if signal, ok := signals.Ended(); ok {
		return nil, exit.BySignal(signal)
	}
	return opened, err
}

// newQueue makes a queue that is only looked at.
func newQueue(opened *store.Store, s settings) (*claimer.Queue, error) {
	return claimer.New(claimer.Config{Store: opened, TTL: fitting(opened.Limits(), 15*time.Second), Logger: s.log})
}

// pid is the process of the agent behind a standing, if it told.
func pid(c claimer.Claim) int {
	n, err := strconv.Atoi(c.Attributes["pid"])
	if err != nil {
		return 0
	}
	return n
}
