package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
)

// newEtcdLab is newLab with an etcd of its own as the store.
func newEtcdLab(t *testing.T) *lab {
	l := newLab(t)
	l.etcd = etcdtest.Start(t, etcdtest.Settings{})
	return l.with(onEtcd(l.etcd.Endpoint()))
}

// onEtcd is the setting of a store on etcd. It is known to be new, so that nobody waits for its era
// to come of age.
func onEtcd(endpoint string) string {
	return "MUSTER_STORE=" + etcdtest.URL("lab", endpoint) + "?fresh=true"
}

// onEachStore runs a test on the default store, and on a real etcd.
func onEachStore(t *testing.T, test func(*testing.T, *lab)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { test(t, newLab(t)) })
	t.Run("etcd", func(t *testing.T) { test(t, newEtcdLab(t)) })
}

// shortTTL is a TTL that the lab's store is good for.
func (l *lab) shortTTL() string {
	if l.etcd != nil {
		return "2s"
	}
	return "1s"
}

func TestAfterAKillTheOtherTakesOverWithinWhatWasSaid(t *testing.T) {
	onEachStore(t, func(t *testing.T, l *lab) {
		words := append([]string{"run", "hello", "--ttl", l.shortTTL()}, self("helper-sleep")...)
		first := l.start(words...)
		token := first.leads(0)
		second := l.start(words...)
		said := second.Said(second.stderr, `waiting for \S+ .*: at most ([\d.]+ m?s) after it stops answering`)
		stated, err := time.ParseDuration(strings.ReplaceAll(said[1], " ", ""))
		require.NoError(t, err)
		killed := time.Now()
		first.Signal(syscall.SIGKILL)
		assert.Greater(t, second.leads(0), token)
		// A busy machine needs some more to show it.
		assert.Less(t, time.Since(killed), stated+5*time.Second)
	})
}
