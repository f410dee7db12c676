package history_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/proctest"
	"github.com/muster-go/muster/internal/servertest"
)

const (
	ttl      = 2 * time.Second
	patience = 2 * time.Minute // bounds the waits for what must come, on a machine whose cores are all busy
	pollTime = 10 * time.Millisecond
)

// fleet is the workers of one test. Its methods are for the test's goroutine.
type fleet struct {
	t      *testing.T
	dir    string
	seed   uint64
	random *rand.Rand // which moments
	config workerConfig
	etcd   *etcdtest.Server // nil: SQLite
	all    []*member        // those that have ended, too
}

// member is a worker as the fleet sees it.
type member struct {
	proctest.Process
	reader
	name  string
	proxy *servertest.Proxy // between it and etcd
	ended bool              // by the test
}

func newFleet(t *testing.T, seed uint64, config workerConfig) *fleet {
	f := &fleet{t: t, dir: t.TempDir(), seed: seed, config: config}
	f.random = rand.New(rand.NewPCG(seed, 0))
	t.Logf("again with: %s", f.again())
	f.config.TTL = ttl
	return f
}

// again is the command that chooses the same moments.
func (f *fleet) again() string {
	name, _, _ := strings.Cut(f.t.Name(), "/")
	return fmt.Sprintf("MUSTER_SEED=%d go test -run '^%s$' ./internal/history", f.seed, name)
}

// onSQLite has a store, and a register in a database of its own.
func onSQLite(t *testing.T, seed uint64, config workerConfig) *fleet {
	f := newFleet(t, seed, config)
	f.config.Store = "sqlite://" + filepath.Join(f.dir, "muster.db")
	f.config.Register = filepath.Join(f.dir, "register.db")
	made, err := openSQLRegister(f.config.Register, false)
	require.NoError(t, err)
	require.NoError(t, made.create())
	require.NoError(t, made.close())
	return f
}

// onEtcd has both in one etcd, which each worker reaches through a proxy of its own.
func onEtcd(t *testing.T, seed uint64, config workerConfig) *fleet {
	f := newFleet(t, seed, config)
	f.etcd = etcdtest.Start(t, etcdtest.Settings{})
	return f
}

// start starts another worker.
func (f *fleet) start() *member {
	f.t.Helper()
	number := len(f.all)
	config := f.config
	config.Name = fmt.Sprintf("w%d", number)
	config.Journal = filepath.Join(f.dir, config.Name+".journal")
	config.Seed = f.random.Uint64()
	m := &member{name: config.Name}
	if f.etcd != nil {
		m.proxy = servertest.NewProxy(f.t, f.etcd.Endpoint())
		config.Store, config.Register = etcdtest.URL(election, m.proxy.Endpoint()), m.proxy.Endpoint()
	}
	text, err := json.Marshal(config)
	require.NoError(f.t, err)
	file, err := os.OpenFile(config.Journal, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = file.Close() })
	m.reader = reader{worker: number, file: file, at: map[int]int{}}

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+string(text))
	cmd.Stderr = new(proctest.Output)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a frozen one would stay for ever
	m.Process = proctest.Process{T: f.t, Cmd: cmd, Name: config.Name}
	m.Start()
	f.all = append(f.all, m)
	return m
}

// read takes in all journals. A worker that ended by itself fails the test.
func (f *fleet) read() {
	f.t.Helper()
	for _, m := range f.all {
		if !m.ended {
			select {
			case <-m.Done():
				require.FailNow(f.t, "a worker ended by itself", "%s", m.name)
			default:
			}
		}
		require.NoError(f.t, m.reader.read())
	}
}

// ops is what all workers noted.
func (f *fleet) ops() iter.Seq[operation] {
	return func(yield func(operation) bool) {
		for _, m := range f.all {
			for _, op := range m.ops {
				if !yield(op) {
					return
				}
			}
		}
	}
}

// count counts the operations for which is holds.
func (f *fleet) count(is func(operation) bool) int {
	n := 0
	for op := range f.ops() {
		if is(op) {
			n++
		}
	}
	return n
}

// greatest gives the token of the greatest write that was accepted, and whose it was; 0 if there is
// none.
func (f *fleet) greatest() (token uint64, writer *member) {
	for op := range f.ops() {
		if isAccepted(op) && op.token > token {
			token, writer = op.token, f.all[op.worker]
		}
	}
	return token, writer
}

// within waits, at most for d, until the journals show it.
func (f *fleet) within(d time.Duration, shown func() bool) bool {
	f.t.Helper()
	for late := time.Now().Add(d); ; <-time.After(pollTime) {
		f.read()
		if shown() {
			return true
		}
		if time.Now().After(late) {
			return false
		}
	}
}

// until waits for what must come.
func (f *fleet) until(what string, shown func() bool) {
	f.t.Helper()
	if !f.within(patience, shown) {
		f.verify(slices.Collect(f.ops())) // it may say why
		require.FailNow(f.t, "it didn't come: "+what, f.again())
	}
}

// leader waits until the writer with the greatest token is a worker that runs, and the token is
// greater than after.
func (f *fleet) leader(after uint64) (token uint64, leader *member) {
	f.t.Helper()
	f.until(fmt.Sprintf("a leader with a token above %d that writes", after), func() bool {
		token, leader = f.greatest()
		return token > after && !leader.ended
	})
	return token, leader
}

// someTime lets a random time up to most pass: faults strike at any moment.
func (f *fleet) someTime(most time.Duration) {
	<-time.After(time.Duration(f.random.Int64N(int64(most))))
}

// kill kills a worker as kill -9 does.
func (f *fleet) kill(m *member) {
	f.t.Helper()
	m.ended = true
	m.Signal(syscall.SIGKILL)
	require.Equal(f.t, 128+int(syscall.SIGKILL), m.Wait(), m.name)
}

// terminate has a worker end in order.
func (f *fleet) terminate(m *member) {
	f.t.Helper()
	f.until(m.name+" heeds signals", func() bool { return len(m.ops) > 0 })
	m.ended = true
	m.Signal(syscall.SIGTERM)
	require.Equal(f.t, 0, m.Wait(), m.name)
}

// resign has a worker resign, and waits until it has.
func (f *fleet) resign(m *member) {
	f.t.Helper()
	resigned := func() (n int) {
		for _, op := range m.ops {
			if op.what == opRelease && op.ret != 0 {
				n++
			}
		}
		return n
	}
	before := resigned()
	m.Signal(syscall.SIGUSR1)
	f.until(m.name+" has resigned", func() bool { return resigned() > before })
}

// freeze stops a worker in the midst of what it does, calls meanwhile, and waits until it works again.
func (f *fleet) freeze(m *member, meanwhile func()) {
	f.t.Helper()
	m.Signal(syscall.SIGSTOP)
	meanwhile()
	f.read()
	noted := len(m.ops)
	m.Signal(syscall.SIGCONT)
	f.until(m.name+" goes on", func() bool { return len(m.ops) > noted+5 })
}

// end ends all workers that run, in order, and gives what all have noted.
func (f *fleet) end() []operation {
	f.t.Helper()
	for _, m := range f.all {
		if !m.ended {
			f.terminate(m)
		}
	}
	f.read()
	return slices.Collect(f.ops())
}
