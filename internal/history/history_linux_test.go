package history_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

const workers = 3

// dawdle is long beside what else a worker does, so that a freeze mostly finds a write about to be.
const dawdle = 50 * time.Millisecond

// fault strikes the leader and returns once all workers run again.
type fault struct {
	name   string
	strike func(f *fleet, token uint64, leader *member)
}

// another waits until another one leads and has written. Not for ever: one that was frozen may hold
// a lock of the database.
func another(f *fleet, token uint64) {
	f.within(4*ttl, func() bool { greatest, _ := f.greatest(); return greatest > token })
	f.someTime(ttl / 4)
}

// untilAnother is the fault that fences are for.
var untilAnother = fault{"frozen until another leads", func(f *fleet, token uint64, leader *member) {
	f.freeze(leader, func() { another(f, token) })
}}

var faults = []fault{
	untilAnother,
	{"killed", func(f *fleet, _ uint64, leader *member) { f.kill(leader); f.start() }},
	{"frozen for any time", func(f *fleet, _ uint64, leader *member) {
		f.freeze(leader, func() { f.someTime(2 * ttl) })
	}},
	{"frozen until another leads, and killed", func(f *fleet, token uint64, leader *member) {
		leader.Signal(syscall.SIGSTOP)
		another(f, token)
		f.kill(leader)
		f.start()
	}},
	{"terminated", func(f *fleet, _ uint64, leader *member) { f.terminate(leader); f.start() }},
	{"resigning", func(f *fleet, token uint64, leader *member) { f.resign(leader); another(f, token) }},
}

// cut is a fault of the network between the leader and etcd.
func cut(name string, how func(*servertest.Proxy)) fault {
	return fault{name, func(f *fleet, token uint64, leader *member) {
		how(leader.proxy)
		another(f, token)
		leader.proxy.Heal()
	}}
}

var partitions = []fault{
	cut("cut off", (*servertest.Proxy).Cut),
	cut("in a black hole", (*servertest.Proxy).BlackHole),
	cut("without answers", (*servertest.Proxy).HoldReplies),
	{"without etcd", func(f *fleet, _ uint64, _ *member) {
		f.etcd.Stop()
		f.someTime(2 * ttl)
		before := f.count(isAccepted)
		f.etcd.Start()
		f.until("writes go on", func() bool { return f.count(isAccepted) > before })
	}},
}

func TestHistoriesOnSQLiteFitOneOrder(t *testing.T) {
	t.Parallel()
	tries(t, func(t *testing.T, seed uint64) {
		onSQLite(t, seed, workerConfig{Dawdle: dawdle}).suffer(faults)
	})
}

func TestHistoriesOnEtcdFitOneOrder(t *testing.T) {
	t.Parallel()
	tries(t, func(t *testing.T, seed uint64) {
		onEtcd(t, seed, workerConfig{Dawdle: dawdle}).suffer(append(faults[:len(faults):len(faults)], partitions...))
	})
}

// suffer has each fault strike the leader at a random moment, in random order, until enough has
// happened to be worth a check.
func (f *fleet) suffer(faults []fault) {
	for range workers {
		f.start()
	}
	token, leader := f.leader(0)
	strike := func(it fault) {
		f.someTime(ttl / 2)
		struck, before, began := leader, token, time.Now()
		it.strike(f, token, leader)
		token, leader = f.leader(0) // the same one, if the fault was a short one
		f.t.Logf("%s with token %d: %s: %s has %d, %v later", struck.name, before, it.name, leader.name, token, time.Since(began).Round(time.Millisecond))
	}
	for _, n := range f.random.Perm(len(faults)) {
		strike(faults[n])
	}
	// A freeze finds a write about to be more often than not.
	for n := 0; f.count(isRefused) < 2 && n < 50; n++ {
		strike(untilAnother)
	}
	ops := f.end()
	terms := f.count(isAcquired)
	f.t.Logf("%d terms, %d writes accepted, %d refused, %d of unknown outcome", terms, f.count(isAccepted), f.count(isRefused), f.count(isUnknown))
	assert.Greater(f.t, terms, len(faults)/2)
	assert.GreaterOrEqual(f.t, f.count(isRefused), 2, "writes refused")
	f.verify(ops)
}

// verify fails the test if no order explains what was noted, and tells where to look.
func (f *fleet) verify(ops []operation) {
	f.t.Helper()
	for _, v := range judge(ops) {
		f.t.Logf("%s: %s: %d operations in %v", v.what, v.result, v.length, v.took.Round(time.Millisecond))
		if v.result != porcupine.Ok {
			dir, err := os.MkdirTemp("", "muster-history-")
			require.NoError(f.t, err)
			f.keep(dir, v)
			f.t.Errorf("the history of the %s is %s: it is drawn, with the journals beside, in %s; again, nearly, with: %s", v.what, v.result, dir, f.again())
		}
	}
}

func isAccepted(op operation) bool { return op.what == opWrite && op.outcome == accepted }
func isRefused(op operation) bool  { return op.what == opWrite && op.outcome == refused }
func isAcquired(op operation) bool { return op.what == opAcquire && op.outcome == yes }
func isYes(op operation) bool      { return op.what == opCheck && op.outcome == yes }
func isUnknown(op operation) bool  { return op.what == opWrite && op.outcome == unknown }

// late says whether an operation began after another one that counts, with a greater token, had ended.
func (f *fleet) late(op operation, counts func(operation) bool) bool {
	for other := range f.ops() {
		if counts(other) && other.token > op.token && other.ret < op.call {
			return true
		}
	}
	return false
}

// verdict is what porcupine found out about a history.
type verdict struct {
	what   string
	shows  string // what its drawing has
	model  porcupine.Model
	result porcupine.CheckResult
	info   porcupine.LinearizationInfo
	length int
	took   time.Duration
}

// judge has porcupine look for an order, for the lock and for the register.
func judge(ops []operation) []verdict {
	verdicts := []verdict{
		{what: "lock", shows: "acquire(", model: lockModel()},
		{what: "register", shows: "write(", model: registerModel()},
	}
	for i, operations := range [][]porcupine.Operation{lockHistory(ops), registerHistory(ops)} {
		v, began := &verdicts[i], time.Now()
		v.result, v.info = porcupine.CheckOperationsVerbose(v.model, operations, checkTime)
		v.length, v.took = len(operations), time.Since(began)
	}
	return verdicts
}

// keep leaves a drawing of a history, and the journals, in a folder.
func (f *fleet) keep(dir string, v verdict) {
	f.t.Helper()
	require.NoError(f.t, porcupine.VisualizePath(v.model, v.info, filepath.Join(dir, v.what+".html")))
	for _, m := range f.all {
		text, err := os.ReadFile(filepath.Join(f.dir, m.name+".journal"))
		require.NoError(f.t, err)
		require.NoError(f.t, os.WriteFile(filepath.Join(dir, m.name+".journal"), text, 0o600))
	}
}

// Workers that write without a fence, and take it for granted that they still lead, are found out:
// the checks above would see it.
func TestCarelessWorkersAreFoundOut(t *testing.T) {
	t.Parallel()
	tries(t, func(t *testing.T, seed uint64) {
		f := onSQLite(t, seed, workerConfig{Dawdle: dawdle, Careless: true})
		f.start()
		f.start()
		token, leader := f.leader(0)
		wrong := 0
		for n := 0; wrong < 2 && n < 50; n++ {
			untilAnother.strike(f, token, leader)
			token, leader = f.leader(0)
			wrong = min(1, f.count(func(op operation) bool { return isAccepted(op) && f.late(op, isAccepted) })) +
				min(1, f.count(func(op operation) bool { return isYes(op) && f.late(op, isAcquired) }))
		}
		for _, v := range judge(f.end()) {
			t.Logf("%s: %s: %d operations in %v", v.what, v.result, v.length, v.took.Round(time.Millisecond))
			assert.Equal(t, porcupine.Illegal, v.result, v.what)
			dir := t.TempDir()
			f.keep(dir, v)
			drawn, err := os.ReadFile(filepath.Join(dir, v.what+".html"))
			require.NoError(t, err)
			assert.True(t, strings.Contains(string(drawn), v.shows), "the drawing has no %s", v.shows)
		}
	})
}
