package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/cmd/agent/internal/daemon"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/cmd/agent/internal/statedir"
)

// where are the flags that say which daemon to ask.
type where struct {
	addr, stateDir word
}

func (w *where) register(cmd *cobra.Command) {
	cmd.Flags().Var(&w.addr, "addr", "`ADDRESS` of the daemon (default what it wrote into its state folder)")
	cmd.Flags().Var(&w.stateDir, "state-dir", "`FOLDER` in which the daemon says where it is (default your state directory)")
	if err := cmd.MarkFlagDirname("state-dir"); err != nil {
		panic(err) // the flag is registered just above
	}
}

func newStatus(p *program) *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the daemon of this machine is: what it leads, what it runs, what is in its way",
		Long: `Show how the daemon of this machine (agent serve) is: the elections that it stands for, who leads
them, the commands that it runs, and the manifolds that don't run, with the reason.

Exit code 0 if it is ready, 1 if it isn't, 69 if there is none.`,
		Example: "  agent status\n  agent status --addr 127.0.0.1:8510 -o json\n  agent status --state-dir /var/lib/muster",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.check()
			if err != nil {
				return err
			}
			return p.status(cmd.Context(), s, w)
		},
	}
	w.register(cmd)
	return cmd
}

// graphFormats are what agent graph prints.
var graphFormats = []string{"tree", "dot", "mermaid", "json"}

func newGraph(p *program) *cobra.Command {
	var w where
	var format string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Draw the manifolds of this machine's daemon: what depends on what, and how it is",
		Long: `Draw the manifolds of this machine's daemon (agent serve): what depends on what, how each of them is,
and why it doesn't run.

As a tree; or for Graphviz (dot), for Mermaid, or with all details as JSON.`,
		Example: "  agent graph\n  agent graph -o dot | dot -Tsvg > graph.svg\n  agent graph -o json | jq '.nodes[] | select(.state != \"running\")'",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.check()
			if err != nil {
				return err
			}
			if err := oneOf("--output", format, graphFormats); err != nil {
				return err
			}
			text, err := w.ask(cmd.Context(), s, "/v1/snapshot?format="+format)
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(text)
			return err
		},
	}
	w.register(cmd)
	// In the place of the flag that all commands have.
	cmd.Flags().StringVarP(&format, "output", "o", "tree", "`FORMAT` of what is printed: tree, dot, mermaid or json")
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(graphFormats, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is registered just above
	}
	return cmd
}

// ask asks the daemon, and gives the body of its answer.
func (w *where) ask(ctx context.Context, s settings, path string) ([]byte, error) {
	if err := errors.Join(w.addr.check("--addr"), w.stateDir.check("--state-dir")); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if w.addr.given {
		if _, _, err := net.SplitHostPort(w.addr.text); err != nil {
			return nil, exit.Errorf(exit.Value, "--addr %q: want HOST:PORT, like 127.0.0.1:8510", w.addr.text)
		}
		text, _, err := get(ctx, w.addr.text, path)
		if err != nil {
			return nil, exit.Errorf(exit.Unavailable, "the daemon on %s doesn't answer: %w: see that agent serve runs there", w.addr.text, err)
		}
		return text, nil
	}
	dir, err := daemonDir(w.stateDir.text)
	if err != nil {
		return nil, err
	}
	found, err := statedir.Find(dir)
	if err != nil {
		return nil, err
	}
	text, id, err := get(ctx, found.Address, path)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, exit.Errorf(exit.Unavailable, "the daemon (pid %d, on %s) doesn't answer within %s: is it frozen?", found.PID, found.Address, say.Length(s.timeout))
	case err == nil && id != found.ID:
		err = errors.New("another program answers there")
	}
	if err != nil {
		return nil, statedir.Gone(dir, found, err)
	}
	return text, nil
}

// get asks for one page, and gives the ID of the daemon that answered.
func get(ctx context.Context, address, path string) (text []byte, id string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, "", err
	}
	// No proxy: it is this machine, or one that was named.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, "", bare(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err = io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s: %s", response.Status, strings.TrimSpace(string(text[:min(len(text), 300)])))
	}
	return text, response.Header.Get(daemon.IDHeader), err
}

// bare takes the URL off an error of the client: the message has it already.
func bare(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

func (p *program) status(ctx context.Context, s settings, w where) error {
	text, err := w.ask(ctx, s, "/v1/status")
	if err != nil {
		return err
	}
	var status daemon.Status
	if err := json.Unmarshal(text, &status); err != nil {
		return exit.Errorf(exit.Unavailable, "what answers is no agent serve: %w", err)
	}
	var verdict error
	if !status.Ready {
		verdict = exit.Silent(exit.No)
	}
	if s.json {
		_, err := p.stdout.Write(text)
		return errors.Join(verdict, err)
	}
	return errors.Join(verdict, printStatus(p.stdout, status))
}

// printStatus prints it for people.
func printStatus(w io.Writer, s daemon.Status) error {
	ready := "ready"
	if !s.Ready {
		ready = "not ready"
	}
	fmt.Fprintf(w, "%s (pid %d) on %s, up %s: %s\n", s.Node, s.PID, s.URL, say.Length(seconds(s.Uptime).Truncate(time.Second)), ready)
	if s.StoreError == "" {
		fmt.Fprintf(w, "store %s\n", s.Store)
	} else {
		fmt.Fprintf(w, "store %s can't be reached: %s\n", s.Store, s.StoreError)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ELECTION\tLEADER\tYOU\tTOKEN\tLEFT\tWAITING\tCOMMAND")
	for _, e := range s.Elections {
		fmt.Fprintln(table, strings.Join(cells(e), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(s.Blocked) > 0 {
		fmt.Fprintln(w, "\nnot running:")
	}
	for _, b := range s.Blocked {
		fmt.Fprintf(w, "  %s (%s): %s\n", b.Name, b.State, b.Why)
	}
	return nil
}

// cells are an election's line of the table.
func cells(e daemon.ElectionStatus) []string {
	leader, you, token, left, command := "-", "waits", "-", "-", "-"
	if e.Leader != "" {
		leader = e.Leader
	}
	if e.Stale != "" && !e.Leads {
		leader += " (?)"
	}
	switch {
	case e.Leads:
		you, left = "leads", say.Length(seconds(e.Left))
	case !e.Seen:
		you = "not yet"
	}
	if e.Token != 0 {
		token = fmt.Sprint(e.Token)
	}
	if c := e.Command; c != nil {
		command = "stopped"
		if c.PID != 0 {
			command = fmt.Sprintf("runs (pid %d)", c.PID)
		} else if c.Last != "" {
			command += ": " + c.Last
		}
	}
	return []string{e.Name, leader, you, token, left, fmt.Sprint(e.Waiting), command}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
