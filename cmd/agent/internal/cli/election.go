package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/store"
)

func newElection(p *program) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "election",
		Short:   "See who leads, and ask leaders to resign",
		Example: "  agent election ls\n  agent election watch hello",
	})
	cmd.AddCommand(
		&cobra.Command{
			Use:   "ls",
			Short: "List the elections that have candidates",
			Long: `List the elections that have candidates, with their leaders.

With -o json the output is one array of objects.`,
			Example: "  agent election ls\n  agent election ls -o json --store sqlite:///srv/muster.db",
			Args:    arguments(),
			RunE:    func(cmd *cobra.Command, _ []string) error { return p.electionLs(cmd.Context()) },
		},
		&cobra.Command{
			Use:   "show NAME",
			Short: "Show who leads an election and who waits",
			Long: `Show who leads an election and who waits, in the order of the queue.

Exit code 1 if nobody stands for it.`,
			Example:           "  agent election show hello\n  agent election show hello -o json",
			Args:              arguments("NAME"),
			RunE:              func(cmd *cobra.Command, args []string) error { return p.electionShow(cmd.Context(), args[0]) },
			ValidArgsFunction: p.completeElection,
		},
		&cobra.Command{
			Use:   "watch NAME",
			Short: "Print each change of an election as it happens, until interrupted",
			Long: `Print each change of an election as it happens, until interrupted: who leads now, and for how long
the store can't be reached. First comes what is the case.

With -o json each event is an object on a line of its own; the field "event" is leader, vacant,
joined, left, resign-asked, stale or current.`,
			Example:           "  agent election watch hello\n  agent election watch hello -o json | jq .holder",
			Args:              arguments("NAME"),
			RunE:              func(cmd *cobra.Command, args []string) error { return p.electionWatch(cmd.Context(), args[0]) },
			ValidArgsFunction: p.completeElection,
		},
		&cobra.Command{
			Use:   "resign NAME",
			Short: "Ask the leader to resign, and wait until another leads",
			Long: `Ask the leader to resign, and wait until it did: it stops what it runs, gives the leadership up
and queues behind the others. Then say who leads now.

Exit code 1 if nobody leads, 75 if the leader still leads after --timeout.`,
			Example:           "  agent election resign hello\n  agent election resign hello --timeout 1m",
			Args:              arguments("NAME"),
			RunE:              func(cmd *cobra.Command, args []string) error { return p.electionResign(cmd.Context(), args[0]) },
			ValidArgsFunction: p.completeElection,
		},
	)
	return cmd
}

// candidate is a standing as JSON shows it.
type candidate struct {
	Holder      string  `json:"holder"`
	Token       uint64  `json:"token,omitempty"` // 0: it waits
	PID         int     `json:"pid,omitempty"`
	TTL         float64 `json:"ttl"` // seconds
	Leads       bool    `json:"leads"`
	Confirmed   bool    `json:"confirmed"` // it knows that it leads
	ResignAsked bool    `json:"resign_asked,omitempty"`
}

func newCandidate(s claimer.Standing, leads bool) candidate {
	return candidate{
		Holder: claimer.DisplayHolder(s.Holder), Token: s.Token, PID: pid(s.Claim), TTL: s.TTL.Seconds(),
		Leads: leads, Confirmed: s.Confirmed, ResignAsked: s.ResignAsked,
	}
}

// state is what the table says of a candidate.
func (c candidate) state() string {
	switch {
	case c.ResignAsked:
		return "asked to resign"
	case c.Leads && c.Confirmed:
		return "leads"
	case c.Leads:
		return "about to lead"
	}
	return "waits"
}

// ask opens the store and a queue for a command that asks it something.
func (p *program) ask(ctx context.Context, name string, run func(context.Context, *claimer.Queue, settings) error) error {
	s, err := p.check()
	if err != nil {
		return err
	}
	if name != "" {
		if err := store.CheckName("election", name); err != nil {
			return err
		}
	}
	return p.oneShot(ctx, s, func(ctx context.Context, opened *store.Store) error {
		queue, err := newQueue(opened, s)
		if err != nil {
			return err
		}
		return errors.Join(run(ctx, queue, s), queue.Close())
	})
}

func (p *program) electionLs(ctx context.Context) error {
	type row struct {
		Name    string    `json:"name"`
		Leader  candidate `json:"leader"`
		Waiting int       `json:"waiting"`
	}
	return p.ask(ctx, "", func(ctx context.Context, queue *claimer.Queue, s settings) error {
		elections, err := queue.Elections(ctx)
		if err != nil {
			return err
		}
		rows := make([]row, 0, len(elections))
		for _, e := range elections {
			rows = append(rows, row{Name: e.Name, Leader: newCandidate(e.Holder, true), Waiting: e.Waiting})
		}
		if s.json {
			return json.NewEncoder(p.stdout).Encode(rows)
		}
		table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ELECTION\tLEADER\tTOKEN\tTTL\tWAITING")
		for _, r := range rows {
			fmt.Fprintf(table, "%s\t%s\t%d\t%gs\t%d\n", r.Name, r.Leader.Holder, r.Leader.Token, r.Leader.TTL, r.Waiting)
		}
		return table.Flush()
	})
}

func (p *program) electionShow(ctx context.Context, name string) error {
	return p.ask(ctx, name, func(ctx context.Context, queue *claimer.Queue, s settings) error {
		standings, err := queue.Candidates(ctx, name)
		if err != nil {
			return err
		}
		candidates := make([]candidate, 0, len(standings))
		for i, standing := range standings {
			candidates = append(candidates, newCandidate(standing, i == 0))
		}
		var verdict error
		if len(candidates) == 0 {
			verdict = exit.Silent(exit.No)
		}
		if s.json {
			return errors.Join(verdict, json.NewEncoder(p.stdout).Encode(struct {
				Name       string      `json:"name"`
				Candidates []candidate `json:"candidates"`
			}{name, candidates}))
		}
		if verdict != nil {
			return exit.Errorf(exit.No, "no candidates: nobody stands for %s", name)
		}
		table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "PLACE\tNODE\tPID\tTOKEN\tTTL\tSTATE")
		for i, c := range candidates {
			process, token := "-", "-"
			if c.PID != 0 {
				process = fmt.Sprint(c.PID)
			}
			if c.Token != 0 {
				token = fmt.Sprint(c.Token)
			}
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%gs\t%s\n", i+1, c.Holder, process, token, c.TTL, c.state())
		}
		return table.Flush()
	})
}
