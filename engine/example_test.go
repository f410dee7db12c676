package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/engine"
)

// A database that can't be reached keeps what depends on it from starting, and the Snapshot says so.
func Example() {
	started := make(chan string, 10)
	serve := func(name string) dependency.StartFunc {
		return func(context.Context, dependency.Getter) (worker.Worker, error) {
			started <- name
			return newTask(untilKilled), nil
		}
	}
	e, err := engine.New(engine.Config{
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		RestartDelay: time.Hour,
	}, dependency.Manifolds{
		"db": {Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
			defer func() { started <- "db" }()
			return nil, errors.New("connection refused")
		}},
		"cache": {Start: serve("cache")},
		"web":   {Inputs: []string{"cache", "db"}, Start: serve("web")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("tried", min(<-started, <-started), "and another")

	events := e.Subscribe(context.Background(), 10)
	for n := range e.Snapshot().Nodes {
		_ = n
	}
	_ = events
	e.Kill()
	fmt.Println("ended:", e.Wait())
}
