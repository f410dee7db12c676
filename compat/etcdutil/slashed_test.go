package etcdutil_test

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-go/muster/store"
)

// slashed gives a memory store keys that begin with a "/", as etcd's can: it holds them without.
type slashed struct{ store.Driver }

func less(key string) string { return strings.TrimPrefix(key, "/") }

func more(records []store.Record) []store.Record {
	records = slices.Clone(records)
	for i := range records {
		records[i].Key = "/" + records[i].Key
	}
	return records
}

func (s slashed) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	writes = slices.Clone(writes)
	for i := range writes {
		writes[i].Key = less(writes[i].Key)
	}
	return s.Driver.Apply(ctx, writes)
}

func (s slashed) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	snap, err := s.Driver.List(ctx, less(prefix))
	snap.Records = more(snap.Records)
	return snap, err
}

func (s slashed) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	return s.Driver.Watch(ctx, less(prefix), func(e store.Event) {
		e.Records = more(e.Records)
		if e.Record.Key != "" {
			e.Record.Key = "/" + e.Record.Key
		}
		emit(e)
	})
}
