package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/engine"
)

// A database that can't be reached keeps what depends on it from starting, and a Snapshot says so.
func Example() {
	serve := func(context.Context, dependency.Getter) (worker.Worker, error) {
		return newTask(untilKilled), nil
	}
	dial := func(context.Context, dependency.Getter) (worker.Worker, error) {
		return nil, errors.New("connection refused")
	}
	e, err := engine.New(engine.Config{
		Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
		RestartDelay: time.Hour, MaxRestartDelay: time.Hour,
	}, dependency.Manifolds{
		"db":  {Start: dial},
		"app": {Start: serve, Inputs: []string{"db"}},
		"web": {Start: serve, Inputs: []string{"app"}},
	})
	if err != nil {
		fmt.Println(err) // everything that is wrong with the manifolds
		return
	}

	events := e.Subscribe(context.Background(), 100)
	if err := e.Bounce("db"); err != nil { // try again now
		fmt.Println(err)
	}
	for event := range events {
		if event.Kind == engine.EventFailed {
			break
		}
	}
	s := e.Snapshot()
	web, _ := s.Node("web")
	for _, cause := range web.Why[:2] { // the third says how often db failed, and when it is tried again
		fmt.Println(cause.Node, cause.Reason)
	}
	db, _ := s.Node("db")
	fmt.Println(db.Name, db.LastError)

	e.Kill() // stops what runs, dependents first
	fmt.Println("ended:", e.Wait())
	// Output:
	// web waits for app
	// app waits for db
	// db connection refused
	// ended: <nil>
}
