package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/store"
)

// Main runs the command line in args (without the program's name) against the drivers that the
// program links, with the process's own files, environment and signals. It returns the exit code;
// the caller exits with it at once, without waiting for goroutines that a hanging store may hold.
func Main(args []string, openers store.Openers) int {
	root := newRoot(&program{openers: openers, stdout: os.Stdout, stderr: os.Stderr})
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if message := exit.Message(err); message != "" {
		fmt.Fprintf(os.Stderr, "agent: %s\n", message)
	}
	return exit.Code(err)
}

// program is what all commands share.
type program struct {
	openers        store.Openers
	stdout, stderr *os.File
	common         common
}

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "agent",
		Short: "Run things where they lead, and see who leads",
		Long: `agent is the daemon and command line of Muster: who leads, who is alive, who is where.

Try it in three terminals:

  agent dev
  agent run hello --ttl 3s -- sh -c 'echo I lead with token $MUSTER_TOKEN; exec sleep 999'
  agent run hello --ttl 3s -- sh -c 'echo I lead with token $MUSTER_TOKEN; exec sleep 999'

Stores, for --store and MUSTER_STORE; all commands work on each, and agents that share one see each
other:
` + storesHelp(p.openers) + `

Exit codes, of every command:
  0    done (agent run: the code of the command that it ran)
  1    the answer is no: nobody stands or leads, the daemon isn't ready
  64   words: an unknown command or flag, a missing argument
  69   the store wasn't reached within --timeout, or there is no daemon to ask
  75   not in time: leadership within --wait, a resignation within --timeout
  77   credentials or permissions
  78   a value that can't be used, wherever it was given
  80   agent run --on-lost=exit: leadership was lost
  127  agent run: no such command
  128+n  ended by signal n`,
		Example: `  agent run nightly-report -- ./report.sh
  agent serve -c muster.yaml
  agent election ls
  MUSTER_STORE=etcd://h1,h2,h3/muster agent election show hello -o json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp())
	p.registerCommon(root)
	root.AddCommand(newRun(p), newServe(p), newStatus(p), newGraph(p), newDev(p), newElection(p), newStore(p), newVersion(p))
	addCompletion(root)
	return root
}

// newHelp is cobra's help command, but one that refuses a word that it doesn't know.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: "  agent help run\n  agent help election watch",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || found == nil {
				return exit.Errorf(exit.Usage, "help: %w", err)
			}
			if len(rest) > 0 {
				return unknownCommand(found, rest[0])
			}
			return found.Help()
		},
	}
}

// group makes a command that only holds others.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return exit.Errorf(exit.Usage, "%s: missing command: want one of %s; see %q",
				words(cmd), strings.Join(subcommands(cmd), ", "), cmd.CommandPath()+" --help")
		}
		return unknownCommand(cmd, args[0])
	}
	return cmd
}

func unknownCommand(cmd *cobra.Command, word string) error {
	hint := "want one of " + strings.Join(subcommands(cmd), ", ")
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return exit.Errorf(exit.Usage, "unknown command %q: %s; see %q", strings.TrimSpace(words(cmd)+" "+word), hint, cmd.CommandPath()+" --help")
}

func subcommands(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// words are the words of a command without the program's name: "election show".
func words(cmd *cobra.Command) string {
	_, rest, _ := strings.Cut(cmd.CommandPath(), " ")
	return rest
}

// arguments checks the number of arguments; names are what the usage line calls them.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return exit.Errorf(exit.Usage, "%s: missing %s: usage: %s", words(cmd), names[len(args)], cmd.UseLine())
		case len(args) > len(names):
			return exit.Errorf(exit.Usage, "%s: unexpected argument %q: usage: %s", words(cmd), args[len(names)], cmd.UseLine())
		}
		return nil
	}
}
