package proctest

import (
	"bytes"
	"sync"
)

// Output collects what a process writes, as the Stdout or Stderr of its Cmd, or as both. Its zero
// value is ready; anybody may read it at any time.
type Output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	more  chan struct{} // closed at the next change; nil: nobody waits for it
	ended bool
}

// Write adds to the output; it never fails.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed()
	return o.buf.Write(b)
}

// String is all that was written so far.
func (o *Output) String() string {
	text, _, _ := o.state()
	return text
}

// Len is how many bytes were written so far: where SaidAfter is to look for what comes next.
func (o *Output) Len() int { return len(o.String()) }

// end says that no more will be written.
func (o *Output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.changed()
}

func (o *Output) changed() {
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
}

// state gives what was written, a channel that is closed when this changes, and whether it is all.
func (o *Output) state() (text string, more <-chan struct{}, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more == nil {
		o.more = make(chan struct{})
	}
	return o.buf.String(), o.more, o.ended
}
