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
		"mem://u:sec#ret@h":     "must be percent-encoded",
		"u:secret@h:1":          `unknown scheme "u"`,
		"mem:/u:secret@h":       "no name, path or options",
		"mem://u:sec%ret@h1,h2": "must be percent-encoded",
		"mem://h1:1,h2:x":       `invalid port ":x" after host`,
		"mem://?fresh=possibly": `fresh="possibly": must be true or false`,
	} {
		_, err := store.Open(t.Context(), rawURL, openers)
		require.ErrorIs(t, err, store.ErrInvalid, rawURL)
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "sec")
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

func TestAURLMayNameSeveralHosts(t *testing.T) {
	var seen *url.URL
	openers := store.Openers{"mem": func(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
		seen = u
		return memstore.Open(ctx, &url.URL{Scheme: "mem"}, clk)
	}}
	for rawURL, want := range map[string]string{
		"mem://h1:1,h2:2/a":              "h1:1,h2:2",
		"mem://h1:1,h2/a":                "h1:1,h2",
		"mem://h1,h2:2?x=1":              "h1,h2:2",
		"mem://[::1]:1,[::2]:2/a":        "[::1]:1,[::2]:2",
		"mem://h1,[fe80::1%25eth0],h2":   "h1,[fe80::1%eth0],h2",
		"mem://u:secret@[::1],h2:2/a,b":  "[::1],h2:2",
		"mem://u:secret@[::1]:1/a?x=1,2": "[::1]:1",
	} {
		require.NoError(t, openers.Check(rawURL))
		for _, fresh := range []string{rawURL, store.Redact(rawURL)} {
			driver, err := openers.OpenDriver(t.Context(), fresh, bootclock.Clock)
			require.NoError(t, err, fresh)
			require.NoError(t, driver.Close())
			assert.Equal(t, want, seen.Host, fresh)
			assert.NotContains(t, seen.Redacted(), "secret")
		}
	}
	st, err := store.Open(t.Context(), "mem://u@[::1]:1,h2/path?fresh=true&x=1", openers)
	require.NoError(t, err)
	require.NoError(t, st.Close())
	assert.Equal(t, "mem://u@[::1]:1,h2/path?x=1", seen.String())
}

func TestRedactLeavesOutWhatMustNotBeSeen(t *testing.T) {
	for rawURL, want := range map[string]string{
		"mem://u:secret@h/p?x=1":                    "mem://u:xxxxx@h/p?x=1",
		"consul://h/p?dc=a&token=secret&tls=true#f": "consul://h/p?dc=a&token=xxxxx&tls=true#f",
		"consul://h/p?token=%zzsecret":              "consul://h/p?token=xxxxx",
		"postgres://u@h/p?password=secret":          "postgres://u@h/p?password=xxxxx",
		"consul://h/p?token_file=/etc/token":        "consul://h/p?token_file=/etc/token",
	} {
		assert.Equal(t, want, store.Redact(rawURL))
	}
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
