package store_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func TestOpenRefusesABadURLWithTheMend(t *testing.T) {
	openers := store.Openers{"mem": memstore.Open, "sqlite": memstore.Open}
	for rawURL, want := range map[string]string{
		"sqlit:///x":            "did you mean sqlite?",
		"etcd://u:secret@h":     "known are mem, sqlite",
		"x":                     "has no scheme: want one like sqlite:///",
		"mem://%zz":             "can't be read",
		"mem://h1:1,h2/x":       "of several hosts give each its port",
		"mem://?fresh=possibly": `fresh="possibly": must be true or false`,
	} {
		_, err := store.Open(t.Context(), rawURL, openers)
		require.ErrorIs(t, err, store.ErrInvalid, rawURL)
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestOpenTakesTheFreshParameterOffTheURL(t *testing.T) {
	var seen string
	openers := store.Openers{"mem": func(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
		seen = u.String()
		return memstore.Open(ctx, &url.URL{Scheme: "mem"}, clk)
	}}
	st, err := store.Open(t.Context(), "mem://host/path?fresh=true&x=1", openers)
	require.NoError(t, err)
	require.NoError(t, st.Close())
	require.NoError(t, st.Close(), "closing twice")
	assert.Equal(t, "mem://host/path?x=1", seen)
}

func TestConfigRefusesWhatCannotWork(t *testing.T) {
	driver := memstore.NewService(bootclock.Clock).Open()
	for want, cfg := range map[string]store.Config{
		"no Driver":        {},
		"Drift -1":         {Driver: driver, Drift: -1},
		"Drift 0.5":        {Driver: driver, Drift: 0.5},
		"Margin -1ns":      {Driver: driver, Margin: -1},
		"CallTimeout -1ns": {Driver: driver, CallTimeout: -1},
	} {
		_, err := store.New(cfg)
		require.ErrorIs(t, err, store.ErrInvalid)
		assert.ErrorContains(t, err, want)
	}
}
