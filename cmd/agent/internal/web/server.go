package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/juju/clock"
	"gopkg.in/tomb.v2"
)

// How long a client may take, and how long requests under way may when the server stops.
const (
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = 2 * time.Minute
	stopTime   = 2 * time.Second
	maxHeader  = 16 << 10
)

// Server is a worker (Kill, Wait) that serves on a listener.
type Server struct {
	tomb     tomb.Tomb
	http     *http.Server
	listener net.Listener
	clock    clock.Clock
}

// Serve starts to serve; the server closes the listener.
func Serve(listener net.Listener, handler http.Handler, clk clock.Clock, logger *slog.Logger) *Server {
	s := &Server{listener: listener, clock: clk, http: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}}
	s.tomb.Go(s.run)
	return s
}

// Kill implements worker.Worker.
func (s *Server) Kill() { s.tomb.Kill(nil) }

// Wait implements worker.Worker: requests under way have at most two seconds to end.
func (s *Server) Wait() error { return s.tomb.Wait() }

// Report implements worker.Reporter.
func (s *Server) Report() map[string]any {
	return map[string]any{"address": s.listener.Addr().String()}
}

func (s *Server) run() error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.listener) }()
	select {
	case err := <-ended:
		_ = s.http.Close() // it failed already
		return fmt.Errorf("serve %s: %w", s.listener.Addr(), err)
	case <-s.tomb.Dying():
	}
	ctx, cancel := context.WithCancel(context.Background())
	late := s.clock.AfterFunc(stopTime, cancel)
	defer late.Stop()
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close() // what is still under way is cut off
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
