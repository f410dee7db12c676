package running

import (
	"context"
	"sync"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/news"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/store"
)

// announcer makes what tells people of the run.
func (r *runner) announcer() *news.Announcer {
	return news.New(news.Config{
		Election: r.Election,
		Limits:   func() store.Limits { return r.Limits },
		Mine:     func(s claimer.Standing) bool { return s.Holder == r.worker.Candidate().Holder },
		Say:      r.line,
		Outage:   r.outage,
	})
}

// outage tells of the beginning and the end of an outage.
func (r *runner) outage(down error, led bool) {
	switch {
	case down == nil:
		r.line("store-back", say.Line{}, "the store answers again")
	case led:
		r.line("store-lost", say.Line{}, "the store can't be reached (%v): the command goes on for as long as the leadership surely lasts", down)
	default:
		r.line("store-lost", say.Line{}, "the store can't be reached (%v): waiting for it to answer", down)
	}
}

// watch has the announcer see the election until the returned function is called.
func (r *runner) watch() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() {
		// Only announcements depend on it; what ends it for good ends the tracker too, which says so.
		_ = r.Queue.Watch(ctx, r.Election, r.news.See)
	})
	return func() {
		cancel()
		loop.Wait()
	}
}
