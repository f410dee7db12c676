package measure_test

import (
	"context"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/proctest"
	"github.com/muster-go/muster/store"
)

const (
	writes    = 200
	pauseTime = 60 * time.Millisecond // at most, between two of them: not in step with anybody's poll
)

// measureWatch writes with one client and watches with another.
func (r *result) measureWatch(t *testing.T, ctx context.Context, s *enginestest.Store) {
	ctx, cancel := context.WithCancel(ctx)
	writer, watcher := r.open(t, s), r.open(t, s)
	r.limits = writer.Limits()
	events, ended := make(chan store.Event), make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		_ = watcher.Watch(ctx, "measure/", func(e store.Event) { // it ends with ctx
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
	}()
	// told waits for an event that shows the revision.
	told := func(rev uint64) {
		late := time.After(proctest.Patience)
		for {
			select {
			case e := <-events:
				if (e.Kind == store.EventPut || e.Kind == store.EventSnapshot || e.Kind == store.EventReset) && e.Rev >= rev {
					return
				}
			case <-ctx.Done():
				t.SkipNow()
			case <-late:
				require.FailNow(t, "the watch tells nothing", "revision %d", rev)
			}
		}
	}
	told(0)
	write := store.Write{Kind: store.Create, Key: "measure/key", Value: []byte("value")}
	for i := range writes {
		began := time.Now()
		outcomes, err := writer.Apply(ctx, []store.Write{write})
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Err)
		done := time.Since(began)
		told(outcomes[0].Rev)
		if i > 0 { // the first one warms up
			r.write, r.watch = append(r.write, done), append(r.watch, time.Since(began))
		}
		write.Kind, write.If = store.Update, outcomes[0].Rev
		<-time.After(rand.N(pauseTime))
	}
}

func (r *result) open(t *testing.T, s *enginestest.Store) store.Driver {
	u, err := url.Parse(s.URL(t))
	require.NoError(t, err)
	driver, err := store.Openers{u.Scheme: r.engine.Opener}.OpenDriver(t.Context(), s.URL(t), bootclock.Clock)
	require.NoError(t, err)
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}
