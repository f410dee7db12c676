package sim

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// watch is one of a driver's. Its events travel one after the other, each with a delay of its own.
type watch struct {
	n      *network
	number int // among those of its process and folder
	r      *rand.Rand
	prefix string
	wake   chan struct{} // holds one value while there is something to do

	mu      sync.Mutex
	inbox   []store.Event // delivered, and not told yet
	silent  []store.Event // came while the weather was silent
	broken  bool          // the connection must be made anew
	hangUp  context.CancelFunc
	life    int   // counts connections; what an earlier one sent is dropped
	arrival int64 // of the latest event that is on its way
	told    bool  // the first snapshot was told
	stale   bool
	rev     uint64
}

// Watch implements store.Driver.
func (d *driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	if err := d.usable(); err != nil {
		return err
	}
	n := d.n
	w := &watch{n: n, prefix: prefix, wake: make(chan struct{}, 1), broken: true}
	n.add(w)
	var connections sync.WaitGroup
	defer func() {
		n.mu.Lock()
		delete(n.watches, w)
		n.mu.Unlock()
		w.mu.Lock()
		w.life++
		hangUp := w.hangUp
		w.mu.Unlock()
		if hangUp != nil {
			hangUp()
		}
		connections.Wait()
	}()
	for {
		for _, e := range w.take() {
			if ctx.Err() == nil {
				emit(e)
			}
		}
		w.connect(d, &connections)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.gone:
			return errClosed()
		case <-d.closed:
			return errClosed()
		case <-w.wake:
		}
	}
}

// add numbers a watch and gives it a stream of its own.
func (n *network) add(w *watch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	place := folder(w.prefix)
	n.begun[place]++
	w.number = n.begun[place]
	w.r = n.p.w.Chance(n.p.Name, "watch", place, strconv.Itoa(w.number))
	n.watches[w] = struct{}{}
}

func sortWatches(list []*watch) {
	slices.SortFunc(list, func(a, b *watch) int {
		return cmp.Or(cmp.Compare(folder(a.prefix), folder(b.prefix)), cmp.Compare(a.number, b.number))
	})
}

func (w *watch) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take gives what is to be told.
func (w *watch) take() []store.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.inbox
	w.inbox = nil
	return events
}

// connect makes the connection if it is broken and the weather lets it.
func (w *watch) connect(d *driver, connections *sync.WaitGroup) {
	w.n.mu.Lock()
	refused := w.n.weather.Refuse || w.n.weather.Silent
	w.n.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.broken || refused {
		return
	}
	w.broken = false
	w.life++
	life := w.life
	ctx, hangUp := context.WithCancel(context.Background())
	w.hangUp = hangUp
	connections.Go(func() {
		defer hangUp()
		_ = d.inner.Watch(ctx, w.prefix, func(e store.Event) { w.sent(life, e) }) // ends when it is hung up
	})
}

// sent puts an event of the store on its way.
func (w *watch) sent(life int, e store.Event) {
	n := w.n
	n.mu.Lock()
	weather := n.weather
	n.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Kind == store.EventSnapshot || e.Kind == store.EventReset {
		e.Since = n.p.clock.Now() // this process doesn't know the store's clock
	}
	delay := Between(w.r, minDelay, maxDelay)
	if slow, long := w.r.Float64(), w.r.Float64(); slow < weather.Slow {
		delay += time.Duration(long * float64(weather.Delay))
	}
	w.arrival = max(w.arrival+1, n.p.w.now.Load()+int64(delay))
	n.p.w.schedule(n.p, w.arrival, func() { w.arrived(life, e) })
}

// arrived delivers an event; in the stepping goroutine.
func (w *watch) arrived(life int, e store.Event) {
	w.n.mu.Lock()
	silent := w.n.weather.Silent
	w.n.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case life != w.life || w.broken:
		return
	case silent:
		w.silent = append(w.silent, e)
		return
	}
	w.deliver(e)
}

// deliver has an event told; with the lock held.
func (w *watch) deliver(e store.Event) {
	switch e.Kind {
	case store.EventSnapshot:
		if w.told {
			e.Kind = store.EventReset
		}
		w.told, w.stale = true, false
	case store.EventStale:
		e.Since = w.n.p.clock.Now()
		w.stale = true
	default:
		w.stale = false
	}
	w.rev = e.Rev
	w.n.p.w.message(w.n.p.Name, "hears", w.prefix, e.Err)
	w.inbox = append(w.inbox, e)
	w.notify()
}

// cut breaks the connection: what is on its way is lost; in the stepping goroutine.
func (w *watch) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sever()
}

// sever is cut, with the lock held.
func (w *watch) sever() {
	if w.broken {
		return
	}
	w.broken = true
	w.silent = nil
	w.hangUp()
	life := w.life
	p := w.n.p
	p.w.schedule(p, p.w.now.Load()+int64(minDelay), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.told && !w.stale && life == w.life {
			w.deliver(store.Event{Kind: store.EventStale, Rev: w.rev, Err: errLost})
		}
		w.notify()
	})
}

// changed looks at the weather: what was silenced is told, or, if anything came meanwhile and chance
// has it, its connection was broken.
func (w *watch) changed() {
	w.n.mu.Lock()
	weather := w.n.weather
	w.n.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case weather.Refuse || !weather.Silent && len(w.silent) > 0 && w.r.IntN(2) == 0:
		w.sever()
	case !weather.Silent:
		late, life := w.silent, w.life
		w.silent = nil
		for _, e := range late {
			w.arrival = max(w.arrival, w.n.p.w.now.Load()) + 1
			w.n.p.w.schedule(w.n.p, w.arrival, func() { w.arrived(life, e) })
		}
	}
	if w.broken && !weather.Refuse && !weather.Silent {
		w.n.p.w.schedule(w.n.p, w.n.p.w.now.Load()+int64(minDelay), w.notify)
	}
}
