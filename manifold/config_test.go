package manifold_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

// refusals are the manifolds of Configs that can't work, by what their error must say.
func refusals(t *testing.T) map[string]dependency.Manifold {
	openers := store.Openers{"mem": memstore.Open}
	open, err := store.Open(t.Context(), "mem://", openers)
	require.NoError(t, err)
	t.Cleanup(func() { _ = open.Close() })
	driver := memstore.NewService(clock.WallClock).Open()
	candidate := claimer.Candidate{Name: "web", Holder: "box-1"}
	return map[string]dependency.Manifold{
		"no URL and no Store":     manifold.Store(manifold.StoreConfig{}),
		"no Openers":              manifold.Store(manifold.StoreConfig{URL: "mem://"}),
		"did you mean mem":        manifold.Store(manifold.StoreConfig{URL: "men://", Openers: openers}),
		"must be true or false":   manifold.Store(manifold.StoreConfig{URL: "mem://?fresh=perhaps", Openers: openers}),
		"can't be read":           manifold.Store(manifold.StoreConfig{URL: "mem://%zz", Openers: openers}),
		"Options has a Driver":    manifold.Store(manifold.StoreConfig{URL: "mem://", Openers: openers, Options: store.Config{Driver: driver}}),
		"must be between 0 and":   manifold.Store(manifold.StoreConfig{URL: "mem://", Openers: openers, Options: store.Config{Drift: 0.5}}),
		"both an open Store and":  manifold.Store(manifold.StoreConfig{URL: "mem://", Store: open}),
		"claimer: no Store":       manifold.Claimer(manifold.ClaimerConfig{TTL: time.Second}),
		"claimer: ttl 0s":         manifold.Claimer(manifold.ClaimerConfig{Store: "store"}),
		"tracker: no Claimer":     manifold.Tracker(manifold.TrackerConfig{Candidate: candidate}),
		"the candidate has no na": manifold.Tracker(manifold.TrackerConfig{Claimer: "claimer"}),
		"is too short":            manifold.Tracker(manifold.TrackerConfig{Claimer: "claimer", Candidate: candidate, Duration: time.Millisecond}),
		"is negative":             manifold.Tracker(manifold.TrackerConfig{Claimer: "claimer", Candidate: candidate, Margin: -1}),
		"gate: no Tracker":        manifold.Gate(manifold.GateConfig{}),
		"value: it is nil":        manifold.Value((*store.Store)(nil)),
		"the function is nil":     manifold.RunWhileLeader("gate", nil),
		"is a worker":             manifold.Value(idleUntilTheEnd(t)),
	}
}

func TestAConfigThatCantWorkIsRefusedByStartUnderAnyEngine(t *testing.T) {
	for reason, m := range refusals(t) {
		require.NotNil(t, m.Start, reason)
		w, err := m.Start(t.Context(), getter(nil))
		assert.Nil(t, w, reason)
		require.ErrorIs(t, err, store.ErrInvalid, reason)
		assert.ErrorContains(t, err, reason)
		assert.NotErrorIs(t, err, dependency.ErrMissing, reason)
	}
}

func TestASoundConfigIsValidBeforeItsInputsAreThere(t *testing.T) {
	assert.NoError(t, manifold.TrackerConfig{
		Claimer: "claimer", Candidate: claimer.Candidate{Name: "web", Holder: "box-1"}, Margin: 5 * time.Hour,
	}.Validate(), "the duration, and so whether the margin fits, is the Claimer's to say")
	assert.NoError(t, manifold.StoreConfig{URL: "mem://?fresh=true", Openers: store.Openers{"mem": nil}}.Validate(), "nothing is opened")
	assert.NoError(t, manifold.ClaimerConfig{Store: "store", TTL: time.Second}.Validate())
}

func TestTheEngineRefusesAllBadConfigsAtOnceAndStartsNothing(t *testing.T) {
	bad, all := refusals(t), dependency.Manifolds{}
	for reason, m := range bad {
		all[reason] = m
	}
	all["good"] = dependency.Manifold{Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
		t.Error("started")
		return idle(), nil
	}}
	all["below"] = manifold.WhileLeader("gate: no Tracker", all["good"])
	all["bad gate, wrapped"] = manifold.RequireFlags(manifold.AfterReady("good", bad["gate: no Tracker"]), "good")
	_, err := engine.New(engine.Config{}, all)
	refused, ok := errors.AsType[*engine.CheckError](err)
	require.True(t, ok)
	assert.Len(t, refused.Faults, len(bad)+1)
	for _, fault := range refused.Faults {
		if fault.Manifold != "bad gate, wrapped" {
			assert.Contains(t, fault.Reason, fault.Manifold)
		}
	}
}
