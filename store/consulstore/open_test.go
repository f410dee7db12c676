package consulstore_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
)

func TestOpenRefusesAURLThatCantBeUsedBeforeItContactsAnybody(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for rawURL, mend := range map[string]string{
		"consul:opaque":                                "is not like consul://host:8500/prefix",
		"consul://h/p#f":                               "is not like",
		"consul:///p":                                  "names no host",
		"consul://me:secret@h/p":                       "token_file=FILE",
		"consul://h:1:2/p":                             "can't be read",
		"consul://h/a//b":                              `a part ""`,
		"consul://h/a/../b":                            `a part ".."`,
		"consul://h/p?tokn=secret":                     "did you mean token?",
		"consul://h/p?dc=a&dc=b":                       "twice",
		"consul://h/p?dc=":                             "without a value",
		"consul://h/p?token=%zz":                       "percent-encode",
		"consul://h/p?token=secret&token_file=f":       "leave one out",
		"consul://h/p?token_file=/no/such":             "give the path of a file",
		"consul://h/p?token_file=" + empty:             "write the token into it",
		"consul://h/p?min_ttl=soon":                    "session_ttl_min",
		"consul://h/p?min_ttl=-1s":                     "session_ttl_min",
		"consul://h/p?tls=perhaps":                     "true or false",
		"consul://h/p?tls=false&servername=x":          "leave one or the other out",
		"consul://h/p?ca=/no/such":                     "give the path of a file",
		"consul://h/p?ca=" + empty:                     "PEM",
		"consul://h/p?cert=" + empty:                   "give both",
		"consul://h/p?cert=" + empty + "&key=" + empty: "PEM",
	} {
		_, err := tryOpen(rawURL)
		require.ErrorIs(t, err, store.ErrInvalid, rawURL)
		assert.ErrorContains(t, err, mend, rawURL)
		assert.NotContains(t, err.Error(), "secret", rawURL)
	}
	u := &url.URL{Scheme: "consul", Host: "h1,h2", Path: "/p"} // as store.Openers reads it
	_, err := consulstore.Open(t.Context(), u, nil)
	require.ErrorIs(t, err, store.ErrInvalid)
	assert.ErrorContains(t, err, "name one agent")
}

func TestOpen(t *testing.T) {
	t.Parallel()
	s := shared(t, "pre/")

	t.Run("nobody listens", func(t *testing.T) {
		_, err := tryOpen("consul://127.0.0.1:1/p?token=secret")
		require.ErrorIs(t, err, store.ErrUnreachable)
		assert.ErrorContains(t, err, "consul 127.0.0.1:1: read the index: dial tcp 127.0.0.1:1: connect: connection refused")
	})
	t.Run("a host that says nothing ends it with its context", func(t *testing.T) {
		hole := servertest.NewProxy(t, "127.0.0.1:1")
		hole.BlackHole()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := consulstore.Open(ctx, &url.URL{Scheme: "consul", Host: hole.Endpoint()}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("a host that speaks no TLS says so", func(t *testing.T) {
		_, err := tryOpen("consul://" + s.Addr() + "/p?tls=true")
		require.ErrorIs(t, err, store.ErrUnreachable)
		assert.ErrorContains(t, err, "leave the parameters for it out")
	})
	t.Run("a datacenter that isn't known", func(t *testing.T) {
		_, err := tryOpen("consul://" + s.Addr() + "/p?dc=mars")
		require.ErrorIs(t, err, store.ErrUnreachable)
		assert.ErrorContains(t, err, "dc=mars")
		d := open(t, "consul://"+s.Addr()+"/p?dc=dc1&node=n1")
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		require.NoError(t, d.Revoke(t.Context(), id))
		require.NoError(t, d.Close())
	})
	t.Run("a node that isn't known", func(t *testing.T) {
		d := open(t, "consul://"+s.Addr()+"/p?node=phobos")
		defer func() { require.NoError(t, d.Close()) }()
		_, err := d.Grant(t.Context(), time.Minute)
		require.ErrorIs(t, err, store.ErrInvalid)
		assert.ErrorContains(t, err, "parameter node")
	})
	t.Run("the shortest TTL is what the agent or the URL says, and what the servers say counts", func(t *testing.T) {
		d := open(t, "consul://"+s.Addr()+"/p")
		assert.Equal(t, store.Limits{
			MinTTL: time.Second, MaxTTL: 24 * time.Hour, ExpiryFactor: 2, ExpiryLag: 12 * time.Second, MaxRecords: 10_000, MaxValue: 256 << 10,
		}, d.Limits())
		assert.Equal(t, 32*time.Second, d.Limits().WorstFailover(10*time.Second))
		require.NoError(t, d.Close())
		d = open(t, "consul://"+s.Addr()+"/p?min_ttl=200ms")
		assert.Equal(t, 200*time.Millisecond, d.Limits().MinTTL)
		_, err := d.Grant(t.Context(), 500*time.Millisecond)
		require.ErrorIs(t, err, store.ErrInvalid)
		assert.ErrorContains(t, err, "min_ttl")
		require.NoError(t, d.Close())
	})
	t.Run("the prefix stands before every key, and after none but its own", func(t *testing.T) {
		for _, prefix := range []string{"pre/one", "pre/one/two/", "pre/one-more", "pre/with%20space"} {
			d := open(t, "consul://"+s.Addr()+"/"+prefix)
			_, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "key"}})
			require.NoError(t, err)
			require.NoError(t, d.Close())
		}
		keys, _, err := admin(t, s).KV().Keys("pre/", "", nil)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"pre/one/key", "pre/one/two/key", "pre/one-more/key", "pre/with space/key"}, keys)
		d := open(t, "consul://"+s.Addr()+"/pre/one")
		defer func() { require.NoError(t, d.Close()) }()
		snapshot, err := d.List(t.Context(), "")
		require.NoError(t, err)
		assert.Len(t, snapshot.Records, 2, "one's own, and what stands below it; not one-more's")
	})
}

func TestOpenWithTLS(t *testing.T) {
	t.Parallel()
	files := servertest.NewAuthority(t, "consul.example")
	s := servertest.Start(t, servertest.ConsulWith(func(s *servertest.Server) string {
		return fmt.Sprintf(`{"ports": {"https": %d}, "tls": {"https": {"ca_file": %q, "cert_file": %q, "key_file": %q, "verify_incoming": true}}}`,
			s.Port(1), files.CA, files.ServerCert, files.ServerKey)
	}))
	at := "consul://" + s.Addrs()[1] + "/p?"
	mine := "&cert=" + files.ClientCert + "&key=" + files.ClientKey
	for _, good := range []string{"ca=" + files.CA + mine, "ca=" + files.CA + mine + "&servername=consul.example"} {
		d := open(t, at+good)
		w := watch(t, d, "")
		_, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: store.Escape(good)}})
		require.NoError(t, err)
		w.sees(t, store.Escape(good))
		require.NoError(t, d.Close())
	}
	for what, bad := range map[string][2]string{
		"an unknown authority":  {"tls=true" + mine, "certificate signed by unknown authority"},
		"a name that is wrong":  {"ca=" + files.CA + mine + "&servername=other.example", "other.example"},
		"no client certificate": {"ca=" + files.CA, ""}, // the refusal comes when the client may have spoken already
		"no TLS":                {"tls=false", "tls=true"},
	} {
		_, err := tryOpen(at + bad[0])
		require.Error(t, err, what)
		assert.ErrorContains(t, err, bad[1], what)
	}
}

// root is the management token of a Consul with ACLs.
const root = "6ea9ac2b-8af1-4a2a-9a51-7c1b38a0cc6e"

func TestOpenWithACLs(t *testing.T) {
	s := servertest.Start(t, servertest.ConsulWith(func(*servertest.Server) string {
		return fmt.Sprintf(`{"acl": {"enabled": true, "default_policy": "deny", "tokens": {"initial_management": %q, "agent": %q}}}`, root, root)
	}))
	config := api.DefaultNonPooledConfig()
	config.Address, config.Token = s.Addr(), root
	acl, err := api.NewClient(config)
	require.NoError(t, err)
	grant := func(name, rules string) *api.ACLToken {
		t.Helper()
		var policy *api.ACLPolicy
		require.EventuallyWithT(t, func(c *assert.CollectT) { // its leader sets up the ACLs a moment after it leads
			var err error
			policy, _, err = acl.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
			require.NoError(c, err)
		}, time.Minute, 50*time.Millisecond)
		token, _, err := acl.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{ID: policy.ID}}}, nil)
		require.NoError(t, err)
		return token
	}
	const keys = `key_prefix "teams/a/" { policy = "write" }`
	const rules = keys + ` session_prefix "" { policy = "write" }`
	good := grant("good", rules)
	at := "consul://" + s.Addr() + "/teams/a"

	t.Run("a token with the rules that are asked for is enough", func(t *testing.T) {
		d := open(t, at+"?token="+good.SecretID)
		defer func() { require.NoError(t, d.Close()) }()
		assert.Equal(t, 10*time.Second, d.Limits().MinTTL, "it may not read what the agent's is")
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		w := watch(t, d, "")
		_, err = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "k", Session: id}})
		require.NoError(t, err)
		w.sees(t, "k")
		require.NoError(t, d.Renew(t.Context(), id))
		require.NoError(t, d.Revoke(t.Context(), id))
		w.misses(t, "k")
	})
	t.Run("one that may read the agent's configuration learns its shortest TTL", func(t *testing.T) {
		d := open(t, at+"?token="+root)
		assert.Equal(t, time.Second, d.Limits().MinTTL)
		require.NoError(t, d.Close())
	})
	for what, token := range map[string]string{
		"no token":                   "",
		"a token that is none":       "?token=11111111-2222-3333-4444-555555555555",
		"a token for another prefix": "?token=" + grant("other", `key_prefix "teams/b/" { policy = "write" }`).SecretID,
		"a token that may read only": "?token=" + grant("reader", `key_prefix "teams/a/" { policy = "read" }`).SecretID,
	} {
		t.Run(what, func(t *testing.T) {
			_, err := tryOpen(at + token)
			require.ErrorIs(t, err, store.ErrUnauthorized)
			assert.ErrorContains(t, err, `key_prefix "teams/a/" { policy = "write" }`)
		})
	}
	t.Run("a token without sessions gets none", func(t *testing.T) {
		d := open(t, at+"?token="+grant("keys", keys).SecretID)
		defer func() { require.NoError(t, d.Close()) }()
		_, err := d.Grant(t.Context(), time.Minute)
		require.ErrorIs(t, err, store.ErrUnauthorized)
		assert.ErrorContains(t, err, `session_prefix "" { policy = "write" }`)
	})
	t.Run("a write that isn't allowed is refused, and the others of its batch are done", func(t *testing.T) {
		d := open(t, "consul://"+s.Addr()+"/teams/a?token="+grant("deny", rules+` key_prefix "teams/a/secret" { policy = "deny" }`).SecretID)
		defer func() { require.NoError(t, d.Close()) }()
		outcomes, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "secret"}, {Kind: store.Create, Key: "allowed"}})
		require.NoError(t, err)
		require.ErrorIs(t, outcomes[0].Err, store.ErrUnauthorized)
		require.NoError(t, outcomes[1].Err)
	})
	t.Run("a token in a file may be changed, and one that is taken away ends the watches", func(t *testing.T) {
		first, second := grant("first", rules), grant("second", rules)
		file := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(file, []byte(first.SecretID+"\n"), 0o600))
		d := open(t, at+"?token_file="+file)
		defer func() { require.NoError(t, d.Close()) }()
		w := watch(t, d, "")
		require.NoError(t, os.WriteFile(file, []byte(second.SecretID+"\n"), 0o600))
		_, err := acl.ACL().TokenDelete(first.AccessorID, nil)
		require.NoError(t, err)
		_, err = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "changed"}})
		require.NoError(t, err)
		w.sees(t, "changed")
		_, err = acl.ACL().TokenDelete(second.AccessorID, nil)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := d.List(t.Context(), "")
			return err != nil
		}, time.Minute, 50*time.Millisecond)
		_, err = d.List(t.Context(), "")
		require.ErrorIs(t, err, store.ErrUnauthorized)
		_, err = acl.KV().Put(&api.KVPair{Key: "teams/a/wakes"}, nil)
		require.NoError(t, err)
		require.ErrorIs(t, w.returns(t), store.ErrUnauthorized)
	})
}

func TestTheTokenMayStandInTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	t.Setenv("CONSUL_HTTP_TOKEN_FILE", file)
	_, err := tryOpen("consul://127.0.0.1:1/p")
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorContains(t, err, file)
	require.NoError(t, os.WriteFile(file, []byte("of-file"), 0o600))
	t.Setenv("CONSUL_HTTP_TOKEN", "of-variable")
	front := newFront(t, "127.0.0.1:1")
	for query, want := range map[string]string{"": "of-file", "?token=of-url": "of-url"} {
		_, err = tryOpen("consul://" + front.addr() + "/p" + query)
		require.Error(t, err)
		assert.Equal(t, want, front.latestToken())
	}
	t.Setenv("CONSUL_HTTP_TOKEN_FILE", "")
	_, err = tryOpen("consul://" + front.addr() + "/p")
	require.Error(t, err)
	assert.Equal(t, "of-variable", front.latestToken())
}

func TestNoOtherVariableOfConsulsIsRead(t *testing.T) {
	for name, value := range map[string]string{
		"CONSUL_HTTP_AUTH": "user:secret", "CONSUL_NAMESPACE": "theirs", "CONSUL_PARTITION": "theirs",
		"CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_ADDR": "127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	f := newFront(t, servertest.Shared(t, servertest.Consul).Addr())
	f.seeing(func(_ http.ResponseWriter, r *http.Request) bool {
		assert.Empty(t, r.Header.Get("Authorization"))
		assert.NotContains(t, r.URL.RawQuery, "theirs")
		return false
	})
	d := open(t, "consul://"+f.addr()+"/environment")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	apply(t, d, store.Write{Kind: store.Create, Key: "k", Session: id})
	require.NoError(t, d.Revoke(t.Context(), id))
}
