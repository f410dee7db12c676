package engine_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

func TestSnapshotReady(t *testing.T) {
	node := func(name string, state engine.State, starts int, why ...engine.Cause) engine.Node {
		return engine.Node{Name: name, State: state, Starts: starts, Why: why}
	}
	gate := func(open bool) engine.Node {
		n := node("gate", engine.StateRunning, 3)
		n.Flag = &open
		if !open {
			n.Why = []engine.Cause{{"gate", "not leader of web"}}
		}
		return n
	}
	waits := engine.Cause{Node: "app", Reason: "waits for gate"}
	lost := engine.Cause{Node: "gate", Reason: "not leader of web"}
	tests := []struct {
		name  string
		nodes []engine.Node
		want  string // the error; "": ready
	}{
		{name: "no manifolds"},
		{name: "all run", nodes: []engine.Node{node("a", engine.StateRunning, 1), gate(true)}},
		{name: "one has finished", nodes: []engine.Node{node("a", engine.StateFinished, 1)}},
		{name: "one removed itself", nodes: []engine.Node{node("a", engine.StateRemoved, 1)}},
		{name: "one is stopping", nodes: []engine.Node{node("a", engine.StateStopping, 1)}},
		{name: "one starts again", nodes: []engine.Node{node("a", engine.StateStarting, 1)}},
		{name: "one starts for the first time", nodes: []engine.Node{node("a", engine.StateStarting, 0)}, want: "a: starting"},
		{
			name:  "one fails",
			nodes: []engine.Node{node("a", engine.StateBackoff, 1, engine.Cause{Node: "a", Reason: "failed once: no route"}), node("b", engine.StateRunning, 1)},
			want:  "a: backoff: failed once: no route",
		},
		{name: "one is stuck", nodes: []engine.Node{node("a", engine.StateStuck, 1, engine.Cause{Node: "a", Reason: "ignores Kill for 42s"})}, want: "a: stuck: ignores Kill for 42s"},
		{name: "one waits for a flag that is false", nodes: []engine.Node{node("app", engine.StateBlocked, 0, waits, lost), gate(false)}},
		{
			name: "several wait, through each other, for a flag that is false",
			nodes: []engine.Node{
				node("app", engine.StateBlocked, 0, waits, lost), gate(false),
				node("web", engine.StateBlocked, 0, engine.Cause{Node: "web", Reason: "waits for app"}, waits, lost),
			},
		},
		{
			name:  "one waits for a flag that is true, and isn't started all the same",
			nodes: []engine.Node{node("app", engine.StateBlocked, 0, waits, lost), gate(true)},
			want:  "app: blocked: waits for gate: not leader of web",
		},
		{
			name:  "one waits for an input that was removed",
			nodes: []engine.Node{node("app", engine.StateBlocked, 0, waits, lost)},
			want:  "app: blocked: waits for gate: not leader of web",
		},
		{
			name:  "one that runs misses something",
			nodes: []engine.Node{node("app", engine.StateBlocked, 1, engine.Cause{Node: "app", Reason: "dependency not available"})},
			want:  "app: blocked: dependency not available",
		},
		{name: "one is blocked, nobody knows why", nodes: []engine.Node{node("app", engine.StateBlocked, 0)}, want: "app: blocked"},
		{
			name: "all that isn't ready is named",
			nodes: []engine.Node{
				node("app", engine.StateBlocked, 0, engine.Cause{Node: "app", Reason: "waits for db"}, engine.Cause{Node: "db", Reason: "starting"}),
				node("db", engine.StateStarting, 0), gate(false),
			},
			want: "app: blocked: waits for db: starting\ndb: starting",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := engine.Snapshot{State: engine.StateRunning, Nodes: test.nodes}.Ready()
			if test.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.EqualError(t, err, test.want)
		})
	}
}

func TestSnapshotOfAnEngineThatIsStoppingIsNotReady(t *testing.T) {
	s := engine.Snapshot{State: engine.StateStopping, Error: "disk\nfull", Nodes: []engine.Node{{Name: "a", State: engine.StateStarting}}}
	err := s.Ready()
	assert.EqualError(t, err, "engine stopping: disk full\na: starting")
	refused, ok := errors.AsType[*engine.NotReadyError](err)
	require.True(t, ok)
	assert.Equal(t, s.Nodes, refused.Nodes)
	assert.Error(t, engine.Snapshot{State: engine.StateFinished}.Ready())
}
