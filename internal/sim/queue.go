package sim

import "container/heap"

// event is one thing that will happen.
type event struct {
	at    int64    // true time
	owner *Process // to whom it happens; nil: to the network, the store or the scenario
	seq   uint64
	run   func() // in the stepping goroutine
	index int    // in the queue; -1: it isn't there
}

// place orders what happens at one instant.
func (e *event) place() int {
	if e.owner == nil {
		return -1
	}
	return e.owner.index
}

// queue holds what will happen, the soonest first.
type queue struct{ events events }

func (q *queue) push(e *event) { heap.Push(&q.events, e) }

// pop gives the soonest, nil if there is none.
func (q *queue) pop() *event {
	if len(q.events) == 0 {
		return nil
	}
	return heap.Pop(&q.events).(*event)
}

func (q *queue) remove(e *event) { heap.Remove(&q.events, e.index) }

type events []*event

func (h events) Len() int { return len(h) }

func (h events) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.place() != b.place():
		return a.place() < b.place()
	}
	return a.seq < b.seq
}

func (h events) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *events) Push(x any) {
	e := x.(*event)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *events) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
