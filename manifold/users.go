package manifold

import (
	"fmt"
	"sync"

	"github.com/juju/worker/v4/dependency"
)

// users counts the workers that stand on another one. The Muster engine stops them first; juju's
// stops all at once, and then what the others stand on waits for them here: a claim that guarded
// work still holds couldn't be renewed through a closed store.
type users struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when closed and n is 0
}

func newUsers() *users { return &users{idle: make(chan struct{})} }

// join counts one user; false: it is too late.
func (u *users) join() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return false
	}
	u.n++
	return true
}

func (u *users) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n--
	if u.closed && u.n == 0 {
		close(u.idle)
	}
}

// close lets nobody join any more and blocks until all have left. It is called once.
func (u *users) close() {
	u.mu.Lock()
	u.closed = true
	if u.n == 0 {
		close(u.idle)
	}
	u.mu.Unlock()
	<-u.idle
}

// standOn counts the worker that is being started among the users of an input, if that counts them:
// a user's own manifold doesn't.
func standOn(getter dependency.Getter, name string) (leave func(), err error) {
	u, err := Get[*users](getter, name)
	if err != nil {
		return func() {}, nil
	}
	if !u.join() {
		return nil, fmt.Errorf("input %q: it is stopping: %w", name, dependency.ErrMissing)
	}
	return sync.OnceFunc(u.leave), nil
}

func (u *users) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.n
}
