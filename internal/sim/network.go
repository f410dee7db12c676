package sim

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Weather is what a process's network does to each request, by chance. The zero value only delays a
// little.
type Weather struct {
	LoseRequest float64 // the request never arrives
	LoseReply   float64 // it is done, and the answer is lost
	Hang        float64 // no answer ever, though the context ends; it may have been done
	Repeat      float64 // it is done again later, perhaps long after it was given up
	Slow        float64 // it takes up to Delay, each way
	Delay       time.Duration
	Refuse      bool // nothing is sent: store.ErrUnreachable
	Silent      bool // watches deliver nothing
}

// errLost is what a process is told of a request when its connection breaks. Its outcome is unknown.
var errLost = errors.New("sim: connection reset")

// The delays of good weather, one way.
const (
	minDelay = 100 * time.Microsecond
	maxDelay = 3 * time.Millisecond
)

// fate is what becomes of one request.
type fate struct {
	arrives bool
	answers bool
	hangs   bool // ends neither by an answer nor by its context
	deaf    bool // doesn't end by its context
	refused bool
	there   time.Duration
	back    time.Duration
	broken  time.Duration // when the caller hears that the connection broke, if there is no answer; 0: never
	again   []time.Duration
}

// network is a process's way to the store.
type network struct {
	p    *Process
	gone chan struct{} // closed when the process is killed

	mu      sync.Mutex
	weather Weather
	streams map[string]*rand.Rand
	hung    chan struct{} // closed and replaced when hung requests fail
	watches map[*watch]struct{}
	begun   map[string]int    // watches, by folder
	seen    map[string]uint64 // revisions, by the folder that was read
}

func newNetwork(p *Process) *network {
	return &network{
		p: p, gone: make(chan struct{}), hung: make(chan struct{}),
		streams: map[string]*rand.Rand{}, watches: map[*watch]struct{}{}, begun: map[string]int{}, seen: map[string]uint64{},
	}
}

func (n *network) kill() { close(n.gone) }

func (n *network) saw(prefix string, rev uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[folder(prefix)] = max(n.seen[folder(prefix)], rev)
}

// SetWeather changes what becomes of the requests that are sent from now on.
func (p *Process) SetWeather(weather Weather) {
	n := p.net
	n.mu.Lock()
	n.weather = weather
	watches := n.list()
	n.mu.Unlock()
	for _, w := range watches {
		w.changed()
	}
}

// CutWatches breaks the connection of every watch; each connects again when the weather lets it.
func (p *Process) CutWatches() {
	n := p.net
	n.mu.Lock()
	watches := n.list()
	n.mu.Unlock()
	for _, w := range watches {
		w.cut()
	}
}

// list gives the watches as they began; with the lock held.
func (n *network) list() []*watch {
	list := make([]*watch, 0, len(n.watches))
	for w := range n.watches {
		list = append(list, w)
	}
	sortWatches(list)
	return list
}

// failHung has every request that hangs fail.
func (p *Process) failHung() {
	n := p.net
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.hung)
	n.hung = make(chan struct{})
}

// chance gives the stream of a name; draw from it with draw, or in the stepping goroutine.
func (n *network) chance(name string) *rand.Rand {
	r := n.streams[name]
	if r == nil {
		r = n.p.w.Chance(n.p.Name, "net", name)
		n.streams[name] = r
	}
	return r
}

// fate draws what becomes of a request. It always draws the same number of times.
func (n *network) fate(op, key string) (f fate, hung <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, w := n.chance(op+" "+folder(key)), n.weather
	lose, loseReply, hang, repeat, slow, coin := r.Float64(), r.Float64(), r.Float64(), r.Float64(), r.Float64(), r.Uint64()
	f.there, f.back = Between(r, minDelay, maxDelay), Between(r, minDelay, maxDelay)
	long1, long2, broken, again := r.Float64(), r.Float64(), r.Float64(), r.Float64()
	if slow < w.Slow {
		f.there += time.Duration(long1 * float64(w.Delay))
		f.back += time.Duration(long2 * float64(w.Delay))
	}
	f.refused = w.Refuse
	f.arrives = lose >= w.LoseRequest
	f.answers = f.arrives && loseReply >= w.LoseReply
	f.deaf = coin&7 == 0
	if hang < w.Hang {
		f.hangs, f.answers = true, false
		f.arrives = f.arrives && coin&8 != 0
	}
	if !f.answers && coin&16 != 0 {
		f.broken = f.there + time.Duration(broken*float64(3*time.Second))
	}
	if repeat < w.Repeat {
		longest := []time.Duration{10 * time.Millisecond, time.Second, 10 * time.Second, time.Minute}[coin>>8&3]
		f.again = append(f.again, f.there+1+time.Duration(again*float64(longest)))
	}
	return f, n.hung
}

// folder is the part of a key that a stream belongs to: without the random ends of keys.
func folder(key string) string {
	if strings.HasPrefix(key, "root/") {
		return "root/"
	}
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		return key[:i+1]
	}
	return key
}
