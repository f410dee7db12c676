package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/devserver"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/running"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

const (
	devElection = "hello"          // what agent dev observes
	devTTL      = 3 * time.Second  // of the commands that it tells to type, if the store can keep it
	devAddr     = "127.0.0.1:7878" // where it serves if it can
	closeTime   = 2 * time.Second  // how long the store may take to close
)

func newDev(p *program) *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try Muster: show what to type, and who leads the election hello",
		Long: `Try Muster: make sure of the store, print its address and what to type next, and show who leads the
election hello, as it changes, without standing for it.

It serves, on this machine only, /livez, /readyz (?verbose), /metrics and a page about itself at /.
The first address that it prints is where; /readyz answers 200 by then. Ctrl-C ends it.`,
		Example: "  agent dev\n  agent dev --addr 127.0.0.1:9000\n  agent dev -o json",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.dev(cmd.Context(), addr, cmd.Flags().Changed("addr"))
		},
	}
	cmd.Flags().StringVar(&addr, "addr", devAddr, "`ADDRESS` to serve on; if it is taken and you didn't name it, a free port")
	return cmd
}

func (p *program) dev(ctx context.Context, addr string, named bool) error {
	s, err := p.check()
	if err != nil {
		return err
	}
	if err := checkLoopback(addr); err != nil {
		return err
	}
	signals := running.CatchSignals()
	defer signals.Stop()
	ctx, stop := signals.Context(ctx)
	defer stop()
	err = p.serveDev(ctx, s, addr, named)
	if _, ok := signals.Ended(); ok && ctx.Err() != nil {
		return nil // that is how it ends
	}
	return err
}

// checkLoopback refuses an address that other machines can reach.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return exit.Errorf(exit.Value, "--addr %q: %w: write one like %s", addr, err, devAddr)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return exit.Errorf(exit.Value, "--addr %q: agent dev serves this machine only: use 127.0.0.1, [::1] or localhost", addr)
}

// listen takes the address; one that the user didn't name may be any other port.
func listen(ctx context.Context, addr string, named bool) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) && !named {
		listener, err = config.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		code := exit.Value
		if errors.Is(err, os.ErrPermission) {
			code = exit.Denied
		}
		return nil, exit.Errorf(code, "--addr %s: %w: choose another port, or leave the flag out", addr, err)
	}
	return listener, nil
}

// serveDev does all of agent dev until ctx ends.
func (p *program) serveDev(ctx context.Context, s settings, addr string, named bool) error {
	listener, err := listen(ctx, addr, named)
	if err != nil {
		return err
	}
	b := buildInfo()
	server := devserver.New(devserver.Config{
		Election: devElection, Store: store.Redact(s.store.url),
		Version: b.Version, Revision: b.Revision, Logger: s.log,
	})
	// Two things can end it other than ctx: the server, and the watch further down.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var loops sync.WaitGroup
	defer loops.Wait()
	defer server.Close()
	loops.Go(func() {
		if err := server.Serve(listener); err != nil {
			cancel(err)
		}
	})
	opened, err := p.open(ctx, s, server.Registry())
	if err != nil {
		return err
	}
	defer closeBounded(opened)
	queue, err := newQueue(opened, s)
	if err != nil {
		return err
	}
	defer queue.Close()

	out := p.printer(s)
	out.Stamp = true
	greeted := false
	f := &follower{election: devElection, tell: func(l say.Line) {
		if l.Event != eventJoined && l.Event != eventLeft {
			out.Line(l)
		}
	}}
	err = queue.Watch(ctx, devElection, func(v claimer.View) {
		server.See(v)
		if !greeted && v.Stale == nil { // ready is what has seen the election
			greeted = true
			p.greet(s, "http://"+listener.Addr().String(), fitting(opened.Limits(), devTTL))
		}
		if greeted {
			f.see(v)
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// greet tells where everything is and what to type next.
func (p *program) greet(s settings, base string, ttl time.Duration) {
	url := store.Redact(s.store.url)
	out := p.printer(s)
	if s.json {
		out.Line(say.Line{Event: "ready", Text: "ready", Election: devElection, URL: base, Store: url})
		return
	}
	agent := shellQuote(os.Args[0])
	flag := s.store.storeFlag()
	fmt.Fprintf(p.stdout, `%s  (/livez /readyz /metrics)
store: %s

Type this in two other terminals:

  %s run %s%s --ttl %v -- sh -c 'echo I lead with token $MUSTER_TOKEN; exec sleep 999'

then kill the one that leads, with the kill -9 that it prints, and watch here, or with:

  %s election show %s%s

`, base, url, agent, devElection, flag, ttl, agent, devElection, flag)
	if s.store.private() {
		fmt.Fprintf(p.stdout, "This store is private to this process: other agents can't use it. Leave --store out to try them.\n\n")
	}
}

// closeBounded closes the store, and leaves it behind if that hangs.
func closeBounded(opened *store.Store) {
	closing := make(chan struct{})
	go func() {
		defer close(closing)
		_ = opened.Close() // nothing of ours is in it
	}()
	select {
	case <-closing:
	case <-bootclock.Clock.After(closeTime):
	}
}
