package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	jujuerrors "github.com/juju/errors"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

// never is a Start for manifolds that are only checked.
func never(context.Context, dependency.Getter) (worker.Worker, error) {
	panic("Check called Start")
}

// wired makes manifolds of "name: input input" words.
func wired(lines ...string) dependency.Manifolds {
	manifolds := dependency.Manifolds{}
	for _, line := range lines {
		name, inputs, _ := strings.Cut(line, ":")
		manifolds[name] = dependency.Manifold{Inputs: strings.Fields(inputs), Start: never}
	}
	return manifolds
}

func TestCheckAcceptsWhatCanRun(t *testing.T) {
	assert.NoError(t, engine.Check(nil), "no manifolds")
	assert.NoError(t, engine.Check(wired("store", "claimer: store", "tracker: claimer store", "app: tracker metrics?", "metrics")))
}

func TestCheckFindsEachFault(t *testing.T) {
	tests := []struct {
		name      string
		manifolds dependency.Manifolds
		want      []string
	}{
		{
			name:      "an input that is misspelt",
			manifolds: wired("store", "app: stor"),
			want:      []string{`manifold "app": its input "stor" doesn't exist: did you mean "store"?`},
		},
		{
			name:      "an input that is like nothing",
			manifolds: wired("store", "app: database"),
			want:      []string{`manifold "app": its input "database" doesn't exist: add a manifold of that name, or take the input out`},
		},
		{
			name:      "an input is never said to be meant as the manifold itself",
			manifolds: wired("app: apq"),
			want:      []string{`manifold "app": its input "apq" doesn't exist: add a manifold of that name, or take the input out`},
		},
		{
			name:      "an optional input that doesn't exist",
			manifolds: wired("metrics", "app: metric?"),
			want:      []string{`manifold "app": its input "metric" doesn't exist: did you mean "metrics"?`},
		},
		{
			name:      "a nil Start",
			manifolds: dependency.Manifolds{"app": {}},
			want:      []string{`manifold "app": its Start is nil: nothing could ever run; set it, or leave the manifold out`},
		},
		{
			name:      "an empty name",
			manifolds: wired(""),
			want:      []string{`manifold "": its name is empty: give it one`},
		},
		{
			name:      "a name with the mark of an optional input",
			manifolds: wired("app?"),
			want:      []string{`manifold "app?": its name ends with "?", which marks an optional input: name it otherwise`},
		},
		{
			name:      "an empty input",
			manifolds: dependency.Manifolds{"app": {Inputs: []string{""}, Start: never}},
			want:      []string{`manifold "app": an input is empty: name it, or take it out`},
		},
		{
			name:      "an optional input without a name",
			manifolds: wired("app: ?"),
			want:      []string{`manifold "app": an input is empty: name it, or take it out`},
		},
		{
			name:      "an input that is named twice, or three times, is one fault",
			manifolds: wired("a", "b", "app: a b a b b"),
			want: []string{
				`manifold "app": its input "a" is named twice: name it once`,
				`manifold "app": its input "b" is named twice: name it once`,
			},
		},
		{
			name:      "an input that is required and optional",
			manifolds: wired("store", "app: store store?"),
			want:      []string{`manifold "app": its input "store" is named twice: name it once`},
		},
		{
			name:      "a manifold that names itself",
			manifolds: wired("app: app"),
			want:      []string{`manifold "app": it is an input of its own: take it out`},
		},
		{
			name:      "a cycle, from its smallest name",
			manifolds: wired("c: a", "a: b", "b: c", "root", "outside: a root", "beside: root"),
			want:      []string{`manifold "a": its inputs form a cycle: a → b → c → a: take one of them out`},
		},
		{
			name:      "a cycle over an optional input",
			manifolds: wired("a: b?", "b: a"),
			want:      []string{`manifold "a": its inputs form a cycle: a → b → a: take one of them out`},
		},
		{
			name:      "two cycles apart, joined by a path that is part of none",
			manifolds: wired("a: b", "b: a path", "path: y", "x: y", "y: x"),
			want: []string{
				`manifold "a": its inputs form a cycle: a → b → a: take one of them out`,
				`manifold "x": its inputs form a cycle: x → y → x: take one of them out`,
			},
		},
		{
			name:      "two cycles through one manifold",
			manifolds: wired("hub: a b", "a: hub", "b: hub"),
			want: []string{
				`manifold "a": its inputs form a cycle: a → hub → a: take one of them out`,
				`manifold "b": its inputs form a cycle: b → hub → b: take one of them out`,
			},
		},
		{
			name:      "of a knot the shortest cycle",
			manifolds: wired("a: b", "b: c", "c: d a", "d: a"),
			want:      []string{`manifold "a": its inputs form a cycle: a → b → c → a: take one of them out`},
		},
		{
			name:      "a cycle of names that would spoil the line",
			manifolds: dependency.Manifolds{"a\nb": {Inputs: []string{"c"}, Start: never}, "c": {Inputs: []string{"a\nb"}, Start: never}},
			want:      []string{`manifold "a\nb": its inputs form a cycle: "a\nb" → c → "a\nb": take one of them out`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := engine.Check(test.manifolds)
			require.Error(t, err)
			assert.Equal(t, strings.Join(test.want, "\n"), err.Error())
		})
	}
}

func TestCheckNamesAllFaultsInTheSameOrder(t *testing.T) {
	manifolds := wired("store", "z: stroe z", "cycle2: cycle1", "cycle1: cycle2", "twice: store store", "")
	manifolds["nil"] = dependency.Manifold{Inputs: []string{"nill"}}
	want := strings.Join([]string{
		`manifold "": its name is empty: give it one`,
		`manifold "nil": its Start is nil: nothing could ever run; set it, or leave the manifold out`,
		`manifold "nil": its input "nill" doesn't exist: add a manifold of that name, or take the input out`,
		`manifold "twice": its input "store" is named twice: name it once`,
		`manifold "z": its input "stroe" doesn't exist: did you mean "store"?`,
		`manifold "z": it is an input of its own: take it out`,
		`manifold "cycle1": its inputs form a cycle: cycle1 → cycle2 → cycle1: take one of them out`,
	}, "\n")
	for range 50 {
		require.EqualError(t, engine.Check(manifolds), want)
	}
}

func TestCheckErrorIsTyped(t *testing.T) {
	err := engine.Check(wired("app: app"))
	refused, ok := errors.AsType[*engine.CheckError](err)
	require.True(t, ok)
	assert.Equal(t, []engine.Fault{{Manifold: "app", Reason: "it is an input of its own: take it out"}}, refused.Faults)
	assert.ErrorIs(t, err, jujuerrors.NotValid)
	assert.NotErrorIs(t, err, jujuerrors.NotFound)
}

// Whatever the knot, taking one input out of each cycle that is named must not leave Check without
// an end: each round removes one at least.
func TestCheckEndsOnAKnotOfEverythingWithEverything(t *testing.T) {
	const n = 40
	manifolds := dependency.Manifolds{}
	for i := range n {
		var inputs []string
		for j := range n {
			if i != j {
				inputs = append(inputs, fmt.Sprint("m", j))
			}
		}
		manifolds[fmt.Sprint("m", i)] = dependency.Manifold{Inputs: inputs, Start: never}
	}
	refused, ok := errors.AsType[*engine.CheckError](engine.Check(manifolds))
	require.True(t, ok)
	assert.Len(t, refused.Faults, n*(n-1)/2, "each pair is the shortest cycle of its two inputs")
}

func TestOptional(t *testing.T) {
	assert.Equal(t, "metrics?", engine.Optional("metrics"))
	assert.Equal(t, "metrics?", engine.Optional(engine.Optional("metrics")))
}

func BenchmarkCheck(b *testing.B) {
	manifolds := layered(10, 100, 3)
	for b.Loop() {
		if err := engine.Check(manifolds); err != nil {
			b.Fatal(err)
		}
	}
}

// layered makes manifolds in layers, each with some inputs of the layer above.
func layered(layers, width, inputs int) dependency.Manifolds {
	manifolds := make(dependency.Manifolds, layers*width)
	for layer := range layers {
		for i := range width {
			m := dependency.Manifold{Start: never}
			for k := range inputs {
				if layer > 0 {
					m.Inputs = append(m.Inputs, fmt.Sprintf("m-%d-%d", layer-1, (i+k*7)%width))
				}
			}
			manifolds[fmt.Sprintf("m-%d-%d", layer, i)] = m
		}
	}
	return manifolds
}
