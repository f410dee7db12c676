package engine

import (
	"encoding/json"
	"time"
)

// State is what a manifold is doing.
type State string

// The states of a manifold.
const (
	StateBlocked  State = "blocked"  // an input isn't up, or Start said dependency.ErrMissing; see Node.Why
	StateBackoff  State = "backoff"  // it failed and is started again at Node.BackoffUntil
	StateStarting State = "starting" // its Start runs
	StateRunning  State = "running"  // its worker runs
	StateStopping State = "stopping" // asked to stop: it waits for its dependents, or its worker is ending
	StateFinished State = "finished" // its worker ended without an error; started again when an input changes
	StateRemoved  State = "removed"  // its worker or Start said dependency.ErrUninstall
	StateStuck    State = "stuck"    // its worker ignores Kill, or its Start doesn't return though its context ended
)

// RestartCause is why a worker was started again.
type RestartCause string

// The causes of restarts.
const (
	CauseError  RestartCause = "own error"     // the worker or its Start failed
	CauseInput  RestartCause = "input changed" // an input stopped, or an optional one came
	CauseBounce RestartCause = "bounce"        // Bounce, or the worker said dependency.ErrBounce
)

// Snapshot is the whole graph at one moment.
type Snapshot struct {
	Taken time.Time `json:"taken"` // on the engine's clock
	// State of the engine: running, stopping or finished.
	State State  `json:"state"`
	Error string `json:"error,omitempty"` // what ends the engine
	Nodes []Node `json:"nodes"`           // ordered by name
}

// Node is one manifold in a Snapshot.
type Node struct {
	Name       string   `json:"name"`
	State      State    `json:"state"`
	Inputs     []string `json:"inputs,omitempty"`     // as declared, without the mark of Optional
	Optional   []string `json:"optional,omitempty"`   // those of Inputs that are optional
	Dependents []string `json:"dependents,omitempty"` // direct ones, ordered

	Starts      int                  `json:"starts"` // workers started so far
	LastStart   time.Time            `json:"last_start,omitzero"`
	LastError   string               `json:"last_error,omitempty"` // latest failure, kept after a recovery
	LastErrorAt time.Time            `json:"last_error_at,omitzero"`
	Restarts    map[RestartCause]int `json:"restarts,omitempty"`

	StartTook    time.Duration   `json:"start_took,omitempty"`   // of the latest Start, in nanoseconds
	StopTook     time.Duration   `json:"stop_took,omitempty"`    // of the latest stop, from Kill to the worker's end
	BackoffUntil time.Time       `json:"backoff_until,omitzero"` // StateBackoff
	Since        time.Time       `json:"since"`                  // when State began
	Flag         *bool           `json:"flag,omitempty"`         // of a running Flag: its value
	Why          []Cause         `json:"why,omitempty"`          // if it isn't running (or its Flag is false): the chain to the root cause
	Report       json.RawMessage `json:"report,omitempty"`       // the worker's, at most 64 KiB
	ReportError  string          `json:"report_error,omitempty"` // why there is none: it panicked, doesn't answer, is too long
}

// Cause is one link of the chain from a manifold that isn't running to the root cause.
type Cause struct {
	Node   string `json:"node"`
	Reason string `json:"reason"` // of this node: "waits for gate", "not leader of web; leader is box-2"
}
