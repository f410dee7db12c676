// Run tries the mutants of this module and writes docs/mutants.md; see "make mutants".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/muster-go/muster/internal/mutants"
)

func main() {
	root := flag.String("root", ".", "the module's `folder`")
	only := flag.String("run", "", "try only mutants whose \"rule: name\", file or test matches this `pattern`")
	at := flag.Int("p", 2, "how many to try at a `time`")
	timeout := flag.Duration("timeout", 2*time.Minute, "for the test of one mutant")
	verbose := flag.Bool("v", false, "show what each test said")
	flag.Parse()
	chosen, err := regexp.Compile("(?im)" + *only)
	switch {
	case err != nil:
		usage(fmt.Sprintf("-run: %v", err))
	case *timeout <= 0:
		usage(fmt.Sprintf("-timeout %v: must be more than 0", *timeout))
	case *at < 1:
		usage(fmt.Sprintf("-p %d: must be at least 1", *at))
	case flag.NArg() > 0:
		usage(fmt.Sprintf("%q: nothing may stand behind the flags", flag.Arg(0)))
	}
	// Trials end with all that they have started.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := session{trial: mutants.Trial{Root: *root, Timeout: *timeout}, at: *at, verbose: *verbose}
	for _, m := range mutants.All() {
		if chosen.MatchString(m.Rule + ": " + m.Name + "\n" + m.File + "\n" + m.Test) {
			s.mutants = append(s.mutants, m)
		}
	}
	if len(s.mutants) == 0 {
		usage(fmt.Sprintf("-run %q: no mutant is like that", *only))
	}
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
	page := filepath.Join(*root, filepath.FromSlash(mutants.PageFile))
	if err := os.WriteFile(page, []byte(mutants.Page(mutants.Rules, mutants.All())), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func usage(fault string) {
	fmt.Fprintln(os.Stderr, "mutants:", fault)
	os.Exit(64)
}

// session is one run of the command.
type session struct {
	trial   mutants.Trial
	mutants []mutants.Mutant
	at      int
	verbose bool

	mu     sync.Mutex
	tried  int
	faults []string
}

// run tries all; an error if not every one was caught.
func (s *session) run(ctx context.Context) error {
	began := time.Now()
	unsound, output, err := s.trial.Sound(ctx, s.mutants)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted before the first")
	case err != nil:
		return err
	}
	if len(unsound) > 0 {
		return fmt.Errorf("without any mutant these tests don't pass, or don't run: %v: mend that first\n%s", unsound, output)
	}
	fmt.Printf("the tests pass without a mutant (%.1f s); now with each of %d\n", time.Since(began).Seconds(), len(s.mutants))
	todo := make(chan mutants.Mutant)
	var workers sync.WaitGroup
	for range s.at {
		workers.Go(func() {
			for m := range todo {
				s.try(ctx, m)
			}
		})
	}
	for _, m := range s.mutants {
		if ctx.Err() != nil {
			break
		}
		todo <- m
	}
	close(todo)
	workers.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %d of %d", s.tried, len(s.mutants))
	}
	fmt.Printf("%d of %d caught in %v\n", len(s.mutants)-len(s.faults), len(s.mutants), time.Since(began).Round(time.Second))
	if len(s.faults) > 0 {
		return fmt.Errorf("not caught: %q: write the missing test, or mend internal/mutants", s.faults)
	}
	return nil
}

// try tries one and tells.
func (s *session) try(ctx context.Context, m mutants.Mutant) {
	r, err := s.trial.Try(ctx, m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		return
	}
	s.tried++
	if err != nil {
		s.faults = append(s.faults, m.Name)
		fmt.Printf("%-9s %v\n", "ERROR", err)
		return
	}
	by := r.By
	if r.Outcome != mutants.Caught {
		s.faults = append(s.faults, m.Name)
		by = m.Test
	}
	fmt.Printf("%-9s %5.1f s  %s: %s — %s\n", r.Outcome, r.Took.Seconds(), m.Rule, m.Name, by)
	if s.verbose || r.Outcome != mutants.Caught && r.Outcome != mutants.Survived {
		fmt.Println(r.Output)
	}
}
