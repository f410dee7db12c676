package command

import (
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
)

// Variables are those of the environment that tell a command of its leadership.
var Variables = []string{"MUSTER_ELECTION", "MUSTER_TOKEN", "MUSTER_NODE"}

// Spec is a command, and how it is run while one node leads one election.
type Spec struct {
	Election, Node string
	TTL            time.Duration
	Grace          time.Duration // between SIGTERM and SIGKILL

	Argv                  []string
	Env                   []string // as key=value; Variables are added
	Dir                   string   // working directory; empty: the agent's
	Stdin, Stdout, Stderr *os.File // nil: the null device

	Logger *slog.Logger
	Clock  clock.Clock
}

// Start starts the command for the term of a claim, of which deadline tells the end as it moves on.
// It returns when the command has been executed; the errors are those of guard.Start, among them
// guard.ErrDeadline when the claim is about to be renewed or lost. Until the command is gone
// deadline is asked every tenth of the TTL, also after a stop has begun.
func (s Spec) Start(claim claimer.Claim, deadline func() time.Time) (*guard.Command, error) {
	env := Environment(s.Env, map[string]string{
		"MUSTER_ELECTION": s.Election,
		"MUSTER_TOKEN":    strconv.FormatUint(claim.Token, 10),
		"MUSTER_NODE":     s.Node,
	})
	running, err := guard.Start(guard.Config{
		Argv: s.Argv, Env: env, Dir: s.Dir,
		Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr,
		Grace: s.Grace, Deadline: deadline(), Renewed: deadline, Logger: s.Logger,
	})
	if err != nil {
		return nil, err
	}
	go s.push(running, deadline)
	return running, nil
}

// push tells the guardian the deadline until the command is gone.
func (s Spec) push(running *guard.Command, deadline func() time.Time) {
	timer := s.Clock.NewTimer(s.TTL / 10)
	defer timer.Stop()
	for {
		select {
		case <-running.Done():
			return
		case <-timer.Chan():
			running.Extend(deadline())
			timer.Reset(s.TTL / 10)
		}
	}
}

// Retry is how long to wait after guard.ErrDeadline.
func (s Spec) Retry() time.Duration { return s.TTL / 20 }

// Environment gives env with some variables set; what stood there under their names is gone, since
// programs differ in which of two values they take.
func Environment(env []string, set map[string]string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		_, replaced := set[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+set[name])
	}
	return env
}

// ExitCode is how a command ended, as shells tell it.
func ExitCode(e guard.Exit) int {
	if e.Signal != 0 {
		return exit.Signalled + int(e.Signal)
	}
	return e.Code
}
