package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// clients is how many race.
const clients = 4

// race runs f once for each of several clients, at the same time. f must not stop the test: it
// returns what went wrong.
func (k *trial) race(f func(i int, d store.Driver) error) {
	k.Helper()
	drivers := make([]store.Driver, clients)
	for i := range drivers {
		drivers[i] = k.open()
	}
	failures := make([]error, clients)
	var group sync.WaitGroup
	for i, d := range drivers {
		group.Go(func() { failures[i] = f(i, d) })
	}
	group.Wait()
	require.NoError(k, errors.Join(failures...))
}

// attempt is write for goroutines.
func (k *trial) attempt(d store.Driver, w store.Write) (uint64, error) {
	outcomes, err := d.Apply(k.ctx, []store.Write{w})
	if err != nil {
		return 0, err
	}
	if len(outcomes) != 1 {
		return 0, fmt.Errorf("%d outcomes of 1 write", len(outcomes))
	}
	return outcomes[0].Rev, outcomes[0].Err
}

func racesHaveOneWinner(k *trial) {
	const rounds, increments = 10, 10
	d := k.open()
	var wins [2 * rounds]atomic.Int32
	var starts [rounds]uint64
	for i := range starts {
		starts[i] = k.create(d, fmt.Sprintf("%supdate/%d", k.root, i), "")
	}
	k.race(func(_ int, d store.Driver) error {
		for i := range rounds {
			for j, w := range []store.Write{
				{Kind: store.Create, Key: fmt.Sprintf("%screate/%d", k.root, i)},
				{Kind: store.Update, Key: fmt.Sprintf("%supdate/%d", k.root, i), If: starts[i]},
			} {
				if _, err := k.attempt(d, w); err == nil {
					wins[2*i+j].Add(1)
				} else if !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
		}
		return nil
	})
	for i := range wins {
		require.EqualValues(k, 1, wins[i].Load(), "winners of race %d", i)
	}

	k.create(d, k.root+"counter", "0")
	k.race(func(_ int, d store.Driver) error {
		for done := 0; done < increments; {
			snap, err := d.List(k.ctx, k.root+"counter")
			if err != nil {
				return err
			}
			if len(snap.Records) != 1 {
				return fmt.Errorf("%d records at the counter", len(snap.Records))
			}
			n, _ := strconv.Atoi(string(snap.Records[0].Value))
			_, err = k.attempt(d, store.Write{Kind: store.Update, Key: k.root + "counter", If: snap.Records[0].ModRev, Value: []byte(strconv.Itoa(n + 1))})
			switch {
			case err == nil:
				done++
			case !errors.Is(err, store.ErrConflict):
				return err
			}
		}
		return nil
	})
	require.Equal(k, strconv.Itoa(clients*increments), string(k.record(d, k.root+"counter").Value), "no increment is lost")
}

// commit is a create and when it began and had returned, on a counter that all clients share.
type commit struct {
	key        string
	rev        uint64
	begun, end int64
}

// createMany creates n keys a client, all at the same time, and gives the commits in the order of
// their revisions. Beside it runs, until they are done, what besides does.
func (k *trial) createMany(n int, besides func(d store.Driver, stop <-chan struct{}) error) []commit {
	k.Helper()
	var ticks atomic.Int64
	var mu sync.Mutex
	var commits []commit
	reader := k.open()
	stop := make(chan struct{})
	read := make(chan error, 1)
	go func() { read <- besides(reader, stop) }()
	k.race(func(i int, d store.Driver) error {
		for j := range n {
			c := commit{key: fmt.Sprintf("%s%d-%d", k.root, i, j), begun: ticks.Add(1)}
			var err error
			if c.rev, err = k.attempt(d, store.Write{Kind: store.Create, Key: c.key}); err != nil {
				return err
			}
			c.end = ticks.Add(1)
			mu.Lock()
			commits = append(commits, c)
			mu.Unlock()
		}
		return nil
	})
	close(stop)
	require.NoError(k, <-read)
	slices.SortFunc(commits, func(a, b commit) int { return cmp.Compare(a.rev, b.rev) })
	return commits
}

func revisionsFollowCommits(k *trial) {
	var snaps []store.Snapshot
	commits := k.createMany(25, func(d store.Driver, stop <-chan struct{}) error {
		for {
			snap, err := d.List(k.ctx, k.root)
			if err != nil {
				return err
			}
			snaps = append(snaps, snap)
			select {
			case <-stop:
				return nil
			default:
			}
		}
	})
	latest := int64(0) // begin of a commit with a smaller revision
	for i, c := range commits {
		if i > 0 {
			require.Greater(k, c.rev, commits[i-1].rev, "%s and %s have one revision", c.key, commits[i-1].key)
		}
		require.Greater(k, c.end, latest, "%s has the greater revision (%d) but had returned before one with a smaller began", c.key, c.rev)
		latest = max(latest, c.begun)
	}
	for _, snap := range snaps {
		var want, got []string
		for _, c := range commits {
			if c.rev <= snap.Rev {
				want = append(want, c.key)
			}
		}
		for _, r := range snap.Records {
			got = append(got, r.Key)
		}
		if !assert.Equal(k, want, got, "a List at revision %d sees every commit up to it and none beyond", snap.Rev) {
			break
		}
	}
}

func watchUnderWriters(k *trial) {
	var mu sync.Mutex
	var watches []*watching
	commits := k.createMany(25, func(d store.Driver, stop <-chan struct{}) error {
		for range 10 {
			mu.Lock()
			watches = append(watches, k.beginWatch(d, k.root, nil))
			mu.Unlock()
			moment()
		}
		<-stop
		return nil
	})
	by := k.open()
	for _, w := range watches {
		w.converges(by)
		w.mu.Lock()
		for i, e := range w.events {
			up, _ := slices.BinarySearchFunc(commits, e.Rev+1, func(c commit, rev uint64) int { return cmp.Compare(c.rev, rev) })
			if !assert.GreaterOrEqual(k, e.view, up, "event %d says that everything up to revision %d was told", i, e.Rev) {
				break
			}
		}
		w.mu.Unlock()
	}
}
