package engine

// Flag is a worker that is up only in name while Check says false: what depends on it isn't started,
// unless it names the input with Optional. The value must never change for one worker: to change it,
// the worker ends (dependency.ErrBounce) and the next one has the other value.
type Flag interface {
	// Check tells the worker's value. It doesn't block.
	Check() bool
}

// Reasoner is what a worker can offer beside Check, or instead of it: why it isn't what its
// dependents want ("not leader of web; leader is box-2"). It stands in the explanations of a
// Snapshot and must not block.
type Reasoner interface {
	Reason() string
}
