package etcdutil

import (
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// patience is for how long an observer that doesn't return is waited for.
const patience = 2 * time.Second

// teller calls an observer with what it is told: in order, and one call at a time. It has a goroutine
// only while there is something to tell, so nobody waits for an observer who doesn't want to.
type teller[T any] struct {
	observer func(T) // nil: nobody wants to know
	clk      store.Clock

	mu    sync.Mutex
	queue []T
	idle  chan struct{} // closed when all was told; nil: there is nothing to tell
	over  bool
}

// tell has the observer called, some time after what was told before.
func (t *teller[T]) tell(what T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.observer == nil {
		return
	}
	t.queue = append(t.queue, what)
	if t.idle == nil {
		t.idle = make(chan struct{})
		go t.run()
	}
}

func (t *teller[T]) run() {
	for {
		t.mu.Lock()
		if t.over || len(t.queue) == 0 {
			close(t.idle)
			t.idle = nil
			t.mu.Unlock()
			return
		}
		what := t.queue[0]
		t.queue = t.queue[1:]
		t.mu.Unlock()
		t.observer(what)
	}
}

// flush waits until the observer has returned from all that was told, and for patience at most.
func (t *teller[T]) flush() bool {
	t.mu.Lock()
	idle := t.idle
	t.mu.Unlock()
	if idle == nil {
		return true
	}
	limit := t.clk.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-idle:
		return true
	case <-limit.Chan():
		return false
	}
}

// end is flush, after which no call begins.
func (t *teller[T]) end() bool {
	told := t.flush()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	return told
}
