package zkstore_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/zkstore"
)

// hole gives the address of something that accepts connections and says nothing.
func hole(t *testing.T) string {
	proxy := servertest.NewProxy(t, "127.0.0.1:1")
	proxy.BlackHole()
	return proxy.Endpoint()
}

func TestOpen(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)

	t.Run("learns what sessions the service keeps", func(t *testing.T) {
		d := open(t, "zk://"+server.Addr()+"/limits")
		defer func() { require.NoError(t, d.Close()) }()
		limits := d.Limits()
		assert.Equal(t, 80*time.Millisecond, limits.MinTTL, "of 200 ms, 100 are for a tick, and a quarter of the rest for renewals")
		assert.Equal(t, 47920*time.Millisecond, limits.MaxTTL)
		for _, ttl := range []time.Duration{limits.MinTTL, limits.MaxTTL} {
			var id store.SessionID
			require.Eventually(t, func() bool { // the shortest may end before its beginning is answered
				var err error
				id, err = d.Grant(t.Context(), ttl)
				return err == nil
			}, time.Minute, time.Millisecond)
			require.NoError(t, d.Revoke(t.Context(), id))
		}
	})
	t.Run("one host that answers is enough", func(t *testing.T) {
		d := open(t, "zk://127.0.0.1:1,"+server.Addr()+root("enough"))
		create(t, d, "a", "")
		require.NoError(t, d.Close())
	})
	t.Run("when none does each says why, in time", func(t *testing.T) {
		silent := hole(t)
		_, err := tryOpen("zk://127.0.0.1:1," + silent + "/none")
		require.ErrorIs(t, err, store.ErrUnreachable)
		require.NotErrorIs(t, err, store.ErrInvalid)
		assert.ErrorContains(t, err, "127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused")
		assert.ErrorContains(t, err, silent+": ")
	})
	t.Run("a context that ends ends it", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		u, err := url.Parse("zk://" + hole(t) + "/root")
		require.NoError(t, err)
		_, err = zkstore.Open(ctx, u, nil)
		require.ErrorIs(t, err, store.ErrUnreachable)
	})
	t.Run("the root may have several parts or none, and no store sees another's", func(t *testing.T) {
		base := root("roots")
		for _, at := range []string{"", "/", base, base + "/one", base + "/one-more/", base + "/with%20space"} {
			d := open(t, "zk://"+server.Addr()+at)
			write(t, d, store.Write{Kind: store.Create, Key: "key/of/" + store.Escape(base+at)})
			require.NoError(t, d.Close())
		}
		d := open(t, "zk://"+server.Addr()+base+"/one")
		defer func() { require.NoError(t, d.Close()) }()
		assert.Equal(t, []string{"key/of/" + store.Escape(base+base+"/one")}, keys(t, d, ""))
	})
	t.Run("a root that is another program's is refused", func(t *testing.T) {
		conn := raw(t, server.Addr())
		at := root("theirs")
		for _, path := range []string{at, at + "/format"} {
			_, err := conn.Create(path, []byte("dear diary"), 0, zk.WorldACL(zk.PermAll))
			require.NoError(t, err)
		}
		_, err := tryOpen("zk://" + server.Addr() + at)
		require.ErrorIs(t, err, store.ErrInvalid)
		require.ErrorContains(t, err, "choose another root")
	})
}

func TestOpenWithAUser(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	at, private := "@"+server.Addr(), root("users")+"/private"
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("secret\n"), 0o600))

	d := open(t, "zk://muster"+at+private+"?password-file="+url.QueryEscape(file))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)
	create(t, d, "a", id)
	require.NoError(t, d.Renew(t.Context(), id))

	for name, rawURL := range map[string]string{
		"nobody":           "zk://" + server.Addr() + private,
		"a wrong password": "zk://muster:wrong-secret" + at + private,
		"somebody else":    "zk://other:secret" + at + private,
	} {
		t.Run(name+" is not let in", func(t *testing.T) {
			_, err := tryOpen(rawURL)
			require.ErrorIs(t, err, store.ErrUnauthorized)
			require.NotContains(t, err.Error(), "secret")
		})
	}
	t.Run("others can read what is readable, and only that", func(t *testing.T) {
		readable := root("readable")
		d := open(t, "zk://muster:secret"+at+readable+"?readable=true")
		defer func() { require.NoError(t, d.Close()) }()
		conn := raw(t, server.Addr())
		_, _, err := conn.Get(readable + "/format")
		require.NoError(t, err)
		_, err = conn.Set(readable+"/format", nil, -1)
		require.ErrorIs(t, err, zk.ErrNoAuth)
		_, _, err = conn.Get(private + "/format")
		require.ErrorIs(t, err, zk.ErrNoAuth)
	})
	t.Run("comes back after a break of its connections", func(t *testing.T) {
		proxy := servertest.NewProxy(t, server.Addr())
		d := open(t, "zk://muster:secret@"+proxy.Endpoint()+private)
		defer func() { require.NoError(t, d.Close()) }()
		id, err := d.Grant(t.Context(), 30*time.Second)
		require.NoError(t, err)
		proxy.Cut()
		proxy.Heal()
		require.Eventually(t, func() bool { return d.Renew(t.Context(), id) == nil }, 25*time.Second, time.Millisecond)
		create(t, d, "b", id)
	})
}
