package etcdstore_test

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// hole gives the address of something that accepts connections and says nothing.
func hole(t *testing.T) string {
	proxy := servertest.NewProxy(t, "127.0.0.1:1")
	proxy.BlackHole()
	return proxy.Endpoint()
}

func TestOpen(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})

	t.Run("one host that answers is enough", func(t *testing.T) {
		silent := hole(t)
		d := open(t, etcdtest.URL("enough", "127.0.0.1:1", silent, server.Endpoint()))
		_, err := d.List(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, d.Close())
	})

	t.Run("when none does each says why, in time", func(t *testing.T) {
		silent := hole(t)
		_, err := tryOpen(etcdtest.URL("", "127.0.0.1:1", silent, "no-such-host.invalid:2379"))
		require.ErrorIs(t, err, store.ErrUnreachable)
		require.NotErrorIs(t, err, store.ErrInvalid)
		assert.ErrorContains(t, err, "127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; ")
		assert.ErrorContains(t, err, silent+": ")
		assert.ErrorContains(t, err, "no-such-host.invalid:2379: dial tcp: lookup no-such-host.invalid")
	})

	t.Run("hosts may be IPv6 addresses", func(t *testing.T) {
		openers := store.Openers{"etcd": etcdstore.Open}
		_, err := openers.OpenDriver(t.Context(), "etcd://[::1]:1,[::2]:1/a", bootclock.Clock)
		require.ErrorIs(t, err, store.ErrUnreachable)
		assert.ErrorContains(t, err, "etcd: [::1]:1: ")
		assert.ErrorContains(t, err, "; [::2]:1: ")
	})

	t.Run("a context that ends ends it", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		u, err := url.Parse(etcdtest.URL("", hole(t)))
		require.NoError(t, err)
		_, err = etcdstore.Open(ctx, u, nil)
		require.ErrorIs(t, err, store.ErrUnreachable)
		require.ErrorContains(t, err, "no answer in time")
	})

	t.Run("a host that doesn't speak TLS says so", func(t *testing.T) {
		_, err := tryOpen(server.URL("") + "?tls=true")
		require.ErrorIs(t, err, store.ErrUnreachable)
		require.ErrorContains(t, err, "if it speaks no TLS, leave")
	})

	t.Run("the prefix stands before every key, and after none but its own", func(t *testing.T) {
		for _, prefix := range []string{"", "one", "one/two", "/slash", "with%20space", "one-more/"} {
			d := open(t, server.URL("")+"/"+prefix)
			_, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "key/of/" + url.PathEscape(prefix)}})
			require.NoError(t, err)
			require.NoError(t, d.Close())
		}
		all, err := server.Client().Get(t.Context(), "", clientv3.WithPrefix())
		require.NoError(t, err)
		var keys []string
		for _, kv := range all.Kvs {
			keys = append(keys, string(kv.Key))
		}
		assert.ElementsMatch(t, []string{
			"key/of/", "one/key/of/one", "one/two/key/of/one%2Ftwo", "/slash/key/of/%2Fslash",
			"with space/key/of/with%2520space", "one-more/key/of/one-more%2F",
		}, keys)
		d := open(t, server.URL("one"))
		defer func() { require.NoError(t, d.Close()) }()
		snapshot, err := d.List(t.Context(), "")
		require.NoError(t, err)
		assert.Len(t, snapshot.Records, 2, "one's own, and what stands below it; not one-more's")
	})

	t.Run("fresh=true is for the store above", func(t *testing.T) {
		openers := store.Openers{"etcd": etcdstore.Open}
		for parameter, leads := range map[string]bool{"?fresh=true": true, "": false} {
			st, err := openers.Open(t.Context(), server.URL("fresh-"+strconv.FormatBool(leads))+parameter, store.Config{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			queue, err := claimer.New(claimer.Config{Store: st, TTL: time.Hour, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			patience := time.Minute
			if !leads { // for an hour
				patience = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, err = queue.Claim(ctx, claimer.Candidate{Name: "web", Holder: "box-1#1"}, time.Minute)
			cancel()
			assert.Equal(t, leads, err == nil, "%q: %v", parameter, err)
			require.NoError(t, queue.Close())
			require.NoError(t, st.Close())
		}
	})
}

func TestOpenWithTLS(t *testing.T) {
	t.Parallel()
	files := servertest.NewAuthority(t, "etcd.example")
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(cfg *embed.Config) {
		cfg.ListenClientUrls[0].Scheme, cfg.AdvertiseClientUrls[0].Scheme = "https", "https"
		cfg.ClientTLSInfo.CertFile, cfg.ClientTLSInfo.KeyFile = files.ServerCert, files.ServerKey
		cfg.ClientTLSInfo.TrustedCAFile, cfg.ClientTLSInfo.ClientCertAuth = files.CA, true
	}})
	at := "etcd://" + server.Endpoint() + "/muster?"
	mine := "&cert=" + files.ClientCert + "&key=" + files.ClientKey

	t.Run("with the authority's certificate and one's own", func(t *testing.T) {
		d := open(t, at+"cacert="+files.CA+mine)
		_, err := d.List(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, d.Close())
	})
	t.Run("with another name of the server's", func(t *testing.T) {
		d := open(t, at+"cacert="+files.CA+mine+"&servername=etcd.example")
		require.NoError(t, d.Close())
	})
	for name, test := range map[string]struct{ params, want string }{
		"an unknown authority":  {"tls=true" + mine, "certificate signed by unknown authority"},
		"a name that is wrong":  {"cacert=" + files.CA + mine + "&servername=other.example", "other.example"},
		"no client certificate": {"cacert=" + files.CA, ""}, // the refusal comes when the client may have spoken already
		"no TLS at all":         {"tls=false", "if it speaks TLS, add tls=true or cacert=FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(at + test.params)
			require.ErrorIs(t, err, store.ErrUnreachable)
			require.ErrorContains(t, err, server.Endpoint()+": ")
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestOpenWithAUser(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(cfg *embed.Config) { cfg.BcryptCost = 4 }})
	admin := server.Client()
	ctx := t.Context()
	for _, name := range []string{"root", "muster"} {
		_, err := admin.UserAdd(ctx, name, "secret-"+name)
		require.NoError(t, err)
		_, err = admin.RoleAdd(ctx, name)
		require.NoError(t, err)
		_, err = admin.UserGrantRole(ctx, name, name)
		require.NoError(t, err)
	}
	_, err := admin.RoleGrantPermission(ctx, "muster", "muster/", clientv3.GetPrefixRangeEnd("muster/"), clientv3.PermissionType(clientv3.PermReadWrite))
	require.NoError(t, err)
	_, err = admin.AuthEnable(ctx)
	require.NoError(t, err)

	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("secret-muster\n"), 0o600))
	wrong := filepath.Join(t.TempDir(), "wrong")
	require.NoError(t, os.WriteFile(wrong, []byte("another"), 0o600))
	at := "@" + server.Endpoint()

	t.Run("a session lives, is listed and watched", func(t *testing.T) {
		d := open(t, "etcd://muster"+at+"/muster?password-file="+password)
		defer func() { require.NoError(t, d.Close()) }()
		w := watch(t, d, "")
		id, err := d.Grant(ctx, 2*time.Second)
		require.NoError(t, err)
		require.NoError(t, d.Renew(ctx, id))
		create(t, d, "a", id)
		w.wait(t, store.EventPut)
		owned, err := d.Owned(ctx, id)
		require.NoError(t, err)
		require.Len(t, owned, 1)
		require.NoError(t, d.Revoke(ctx, id))
		w.wait(t, store.EventDelete)
	})
	t.Run("it comes back after a restart, in which etcd forgets who had come in", func(t *testing.T) {
		d := open(t, "etcd://muster:secret-muster"+at+"/muster")
		defer func() { require.NoError(t, d.Close()) }()
		w := watch(t, d, "")
		id, err := d.Grant(ctx, time.Minute)
		require.NoError(t, err)
		require.NoError(t, d.Renew(ctx, id))
		server.Stop()
		server.Start()
		w.wait(t, store.EventReset)
		require.NoError(t, d.Renew(ctx, id))
		create(t, d, "b", id)
		w.wait(t, store.EventPut)
	})
	for name, test := range map[string]struct{ url, want string }{
		"a wrong password":   {"etcd://muster" + at + "/muster?password-file=" + wrong, `user "muster": authentication failed`},
		"an unknown user":    {"etcd://nobody:secret" + at + "/muster", `user "nobody": authentication failed`},
		"no user":            {"etcd://" + server.Endpoint() + "/muster", "name a user and a password file"},
		"another's prefix":   {"etcd://muster:secret-muster" + at + "/other", `grant the user's role readwrite on the keys with the prefix "other/"`},
		"nobody at all home": {"etcd://muster:secret@127.0.0.1:1/muster", "127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(test.url)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "secret")
			if name == "nobody at all home" {
				require.ErrorIs(t, err, store.ErrUnreachable)
			} else {
				require.ErrorIs(t, err, store.ErrUnauthorized)
			}
		})
	}
	t.Run("a password that is changed, in the file first, costs nothing", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "password")
		write := func(password string) { require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600)) }
		root := userClient(t, server, "root")
		_, err := root.UserAdd(ctx, "changing", "first")
		require.NoError(t, err)
		_, err = root.UserGrantRole(ctx, "changing", "muster")
		require.NoError(t, err)
		write("first")
		d := open(t, "etcd://changing"+at+"/muster?password-file="+file)
		defer func() { require.NoError(t, d.Close()) }()
		w := watch(t, d, "")
		id, err := d.Grant(ctx, time.Minute)
		require.NoError(t, err)
		require.NoError(t, d.Renew(ctx, id))

		write("second")
		_, err = root.UserChangePassword(ctx, "changing", "second")
		require.NoError(t, err)
		require.NoError(t, d.Renew(ctx, id))
		create(t, d, "changed", id)
		w.wait(t, store.EventPut)
		assert.Equal(t, []string{"changed"}, keys(t, d, "changed"))

		require.NoError(t, os.Remove(file))
		server.Stop()
		server.Start()
		require.Eventually(t, func() bool { return d.Renew(ctx, id) == nil }, 30*time.Second, 10*time.Millisecond, "the latest that was read is used")
	})
	t.Run("a watch of what may not be read ends, and the others go on", func(t *testing.T) {
		d, err := etcdstore.New(etcdstore.Config{Client: userClient(t, server, "muster"), Prefix: "muster"})
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		w := watch(t, d, "")
		other, err := etcdstore.New(etcdstore.Config{Client: userClient(t, server, "muster"), Prefix: "other"})
		require.NoError(t, err)
		defer func() { require.NoError(t, other.Close()) }()
		require.ErrorIs(t, other.Watch(ctx, "", func(store.Event) {}), store.ErrUnauthorized)
		create(t, d, "c", "")
		w.wait(t, store.EventPut)
	})
}

func userClient(t *testing.T, server *etcdtest.Server, name string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, Username: name, Password: "secret-" + name, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A stream of watches keeps the token with which it was opened, and etcd forgets a token that nobody
// used for a while.
func TestAWatchThatBeginsLongAfterTheOthersIsGivenAWayIn(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(cfg *embed.Config) { cfg.BcryptCost, cfg.AuthTokenTTL = 4, 1 }})
	admin := server.Client()
	_, err := admin.UserAdd(t.Context(), "root", "secret")
	require.NoError(t, err)
	_, err = admin.UserGrantRole(t.Context(), "root", "root")
	require.NoError(t, err)
	_, err = admin.AuthEnable(t.Context())
	require.NoError(t, err)
	d := open(t, "etcd://root:secret@"+server.Endpoint()+"/muster")
	defer func() { require.NoError(t, d.Close()) }()
	early := watch(t, d, "")
	<-bootclock.Clock.After(3 * time.Second)
	late := watch(t, d, "")
	create(t, d, "a", "")
	early.wait(t, store.EventPut)
	late.wait(t, store.EventPut, store.EventReset)
	create(t, d, "b", "")
	late.wait(t, store.EventPut)
	assert.NotContains(t, late.kinds(), store.EventStale)
	assert.Equal(t, []store.EventKind{store.EventSnapshot, store.EventPut}, early.kinds()[:2], "the early one isn't disturbed")
}
