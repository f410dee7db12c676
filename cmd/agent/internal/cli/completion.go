package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/store"
)

// completionTime bounds how long a shell waits for the names of elections.
const completionTime = time.Second

// addCompletion adds cobra's completion command, with the agent's exit codes.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		group(cmd)
		cmd.Example = "  source <(agent completion bash)\n  agent completion fish > ~/.config/fish/completions/agent.fish"
		for _, shell := range cmd.Commands() {
			shell.Args = arguments()
		}
	}
}

// completeElection completes the first argument with the elections in the store.
func (p *program) completeElection(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	s, err := p.check()
	if err != nil {
		return nil, directive
	}
	if s.store.isDefault {
		if _, err := os.Stat(filepath.Join(s.store.dir, "muster.db")); err != nil {
			return nil, directive // completion makes no store
		}
	}
	s.timeout = completionTime
	s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	var names []string
	err = p.oneShot(cmd.Context(), s, func(ctx context.Context, opened *store.Store) error {
		queue, err := newQueue(opened, s)
		if err != nil {
			return err
		}
		defer queue.Close()
		elections, err := queue.Elections(ctx)
		for _, e := range elections {
			if strings.HasPrefix(e.Name, prefix) {
				names = append(names, e.Name)
			}
		}
		return err
	})
	if err != nil {
		return nil, directive
	}
	return names, directive
}
