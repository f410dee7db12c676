package sqlstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

// The kernel tells of a write before the disk has it, and so before a look can see the commit.
func TestACommitIsToldLongBeforeThePoll(t *testing.T) {
	t.Parallel()
	const poll = 80 * time.Millisecond
	path := filepath.Join(t.TempDir(), "store.db")
	writer := open(t, path)
	watcher, err := sqlstore.SQLite(context.Background(), sqlstore.SQLiteConfig{Path: path, Poll: poll, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, watcher.Close()) })
	ctx, cancel := context.WithCancel(context.Background())
	events, ended := make(chan store.Event, 1), make(chan struct{})
	go func() {
		defer close(ended)
		_ = watcher.Watch(ctx, "a/", func(e store.Event) { events <- e }) // it ends with ctx
	}()
	t.Cleanup(func() { cancel(); <-ended })
	require.Equal(t, store.EventSnapshot, (<-events).Kind)
	var lates []time.Duration
	for round := range 10 { // on a machine whose cores are all busy not each of them shows it
		var took []time.Duration
		for i := range 15 {
			time.Sleep(poll / 5) // in real time: so that no earlier look is due
			require.NoError(t, write(writer, fmt.Sprintf("a/%d-%d", round, i)))
			written := time.Now()
			<-events
			took = append(took, time.Since(written))
		}
		slices.Sort(took)
		late := took[len(took)*4/5]
		if lates = append(lates, late); late < poll/2 {
			return
		}
	}
	t.Errorf("one commit of five was told only after that time, in each round: %v", lates)
}
