package consulstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/muster-go/muster/store"
)

// nowhere is a key that never is: Escape makes no segment that begins with a dot. What Consul says of it
// has the index of the newest commit of all keys.
const nowhere = ".nowhere"

var _ store.PairLister = (*driver)(nil)

// List implements store.Driver. The index of a list is that of the newest commit below its prefix; so
// that of the newest at all is asked for first, which the list can't be older than. This also finds out
// whether the token may read: a list leaves out, silently, what it may not.
func (d *driver) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	newest, err := d.newest(ctx)
	if err != nil {
		return store.Snapshot{}, err
	}
	l, err := d.list(ctx, prefix, d.reading)
	if err != nil {
		return store.Snapshot{}, err
	}
	return l.snapshot(newest), nil
}

// ListPair implements store.PairLister: at one revision, for both reads see all up to it, and what came
// later has a greater one.
func (d *driver) ListPair(ctx context.Context, first, second string) (a, b store.Snapshot, err error) {
	newest, err := d.newest(ctx)
	if err != nil {
		return a, b, err
	}
	one, err := d.list(ctx, first, d.reading)
	if err != nil {
		return a, b, err
	}
	two, err := d.list(ctx, second, d.reading)
	if err != nil {
		return a, b, err
	}
	a = one.snapshot(newest)
	return a, two.snapshot(a.Rev), nil
}

// newest is the index of the newest commit of all keys.
func (d *driver) newest(ctx context.Context) (uint64, error) {
	before := d.sight()
	index := uint64(0)
	err := d.ask(ctx, "read the index", callTime, func(ctx context.Context) error {
		_, meta, err := d.client.KV().Get(d.a.root()+nowhere, d.reading(ctx))
		if err == nil {
			index, err = indexOf(meta)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	d.witness(before, index)
	return index, nil
}

// indexOf is never 0: a query from there on would not block.
func indexOf(meta *api.QueryMeta) (uint64, error) {
	if meta.LastIndex == 0 {
		return 0, errNoIndex
	}
	return meta.LastIndex, nil
}

// listing is what Consul keeps below a prefix.
type listing struct {
	records []store.Record // ordered by key
	index   uint64         // of the newest commit below the prefix; of any, where nothing is
}

// snapshot is the listing at the revision newest, than which it isn't older.
func (l listing) snapshot(newest uint64) store.Snapshot {
	records := slices.Clone(l.records)
	slices.SortFunc(records, store.CompareRecords)
	return store.Snapshot{Records: records, Rev: max(newest, l.index)}
}

// list asks for what is below a prefix, in the way that options say.
func (d *driver) list(ctx context.Context, prefix string, options func(context.Context) *api.QueryOptions) (listing, error) {
	l := listing{records: []store.Record{}}
	limit := callTime
	if o := options(ctx); o.WaitTime > 0 {
		limit = o.WaitTime*17/16 + callTime // Consul adds up to a sixteenth
	}
	err := d.ask(ctx, "read", limit, func(ctx context.Context) error {
		pairs, meta, err := d.query(prefix, options(ctx))
		if err != nil {
			return err
		}
		if meta.ResultsFilteredByACLs {
			return d.unauthorized(fmt.Errorf("the token may not read all below %q", d.a.root()+prefix))
		}
		for _, pair := range pairs {
			l.records = append(l.records, d.record(pair))
		}
		slices.SortFunc(l.records, func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) })
		l.index, err = indexOf(meta)
		return err
	})
	return l, err
}

// query reads the keys below a prefix, or the one that it is.
func (d *driver) query(prefix string, options *api.QueryOptions) (api.KVPairs, *api.QueryMeta, error) {
	key := d.a.root() + prefix
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return d.client.KV().List(key, options)
	}
	pair, meta, err := d.client.KV().Get(key, options)
	if pair == nil || err != nil {
		return nil, meta, err
	}
	return api.KVPairs{pair}, meta, nil
}

func (d *driver) record(pair *api.KVPair) store.Record {
	return store.Record{
		Key:       strings.TrimPrefix(pair.Key, d.a.root()),
		Value:     pair.Value,
		CreateRev: pair.CreateIndex,
		ModRev:    pair.ModifyIndex,
		Session:   store.SessionID(pair.Session),
	}
}
