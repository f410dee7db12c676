package etcdutil

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/muster-go/muster/store"
)

// eraPrefix is where a store keeps the records of its era.
const eraPrefix = "root/"

// localEra is a driver whose store keeps the records of its era in this process: the candidates of
// the original write none, and would wait for nobody's. So an era tells what this process itself saw
// of etcd: whether its revisions ran backwards, as after a restore. Then its candidates, too, wait.
type localEra struct {
	store.Driver
	// sight is a key that is read with the era, for etcd's revision. Empty: none is, and nothing is
	// noticed.
	sight string

	mu      sync.Mutex
	rev     uint64 // of the records here
	records map[string]store.Record
}

var _ store.PairLister = (*localEra)(nil)

func newLocalEra(d store.Driver, sight string) *localEra {
	return &localEra{Driver: d, sight: sight, records: map[string]store.Record{}}
}

// Owned implements store.Driver. A lease belongs to whoever attaches keys to it: nothing is to be swept.
// Nor need it be: a candidate that doubts of its key gives up the whole lease.
func (l *localEra) Owned(context.Context, store.SessionID) ([]store.Record, error) { return nil, nil }

// Apply implements store.Driver. A batch holds records of the era, or none.
func (l *localEra) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if len(writes) == 0 || !strings.HasPrefix(writes[0].Key, eraPrefix) {
		return l.Driver.Apply(ctx, writes)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	outcomes := make([]store.Outcome, len(writes))
	for i, w := range writes {
		old, exists := l.records[w.Key]
		if exists == (w.Kind == store.Create) || exists && old.ModRev != w.If {
			outcomes[i].Err = fmt.Errorf("write of %q: %w", w.Key, store.ErrConflict)
			continue
		}
		l.rev++
		outcomes[i].Rev = l.rev
		if w.Kind == store.Delete {
			delete(l.records, w.Key)
			continue
		}
		created := old.CreateRev
		if !exists {
			created = l.rev
		}
		l.records[w.Key] = store.Record{Key: w.Key, Value: w.Value, CreateRev: created, ModRev: l.rev}
	}
	return outcomes, nil
}

// List implements store.Driver.
func (l *localEra) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	if !strings.HasPrefix(prefix, eraPrefix) {
		return l.Driver.List(ctx, prefix)
	}
	if l.sight == "" {
		return store.Snapshot{Records: l.era(prefix), Rev: 1}, nil
	}
	snap, err := l.Driver.List(ctx, l.sight)
	return store.Snapshot{Records: l.era(prefix), Rev: snap.Rev}, err
}

// ListPair implements store.PairLister: one read shows the candidates and the revision.
func (l *localEra) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	a, err := l.List(ctx, first)
	if err != nil {
		return a, store.Snapshot{}, err
	}
	if strings.HasPrefix(second, eraPrefix) {
		return a, store.Snapshot{Records: l.era(second), Rev: a.Rev}, nil
	}
	b, err := l.List(ctx, second)
	return a, b, err
}

// Watch implements store.Driver. The watch of the era tells at which revision etcd is whenever it
// begins anew; that is how a restore shows at once.
func (l *localEra) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	switch {
	case !strings.HasPrefix(prefix, eraPrefix):
		return l.Driver.Watch(ctx, prefix, emit)
	case l.sight == "":
		<-ctx.Done()
		return ctx.Err()
	}
	return l.Driver.Watch(ctx, l.sight, func(e store.Event) {
		switch e.Kind {
		case store.EventSnapshot, store.EventReset:
			e.Records = l.era(prefix)
			emit(e)
		case store.EventStale, store.EventCurrent:
			emit(e)
		}
	})
}

// era gives the records of a prefix.
func (l *localEra) era(prefix string) []store.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []store.Record
	for key, r := range l.records {
		if key == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(key, prefix) {
			found = append(found, r)
		}
	}
	return found
}
