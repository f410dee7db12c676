package etcdutil_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	etcd "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/etcdtest"
)

// files are PEM files for tests.
type files struct{ cert, key, junk, cut, missing string }

// makeFiles makes a certificate for 127.0.0.1 that signs itself, its key, and files that are neither.
func makeFiles(t *testing.T) files {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, data, 0o600))
		return name
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return files{
		cert:    write("cert.pem", cert),
		key:     write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
		junk:    write("junk.pem", []byte("junk")),
		cut:     write("cut.pem", append(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der[:100]})...)),
		missing: filepath.Join(dir, "missing.pem"),
	}
}

func setEnv(t *testing.T, env map[string]string) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func TestNewConfigFillsBlanksFromTheEnvironment(t *testing.T) {
	f := makeFiles(t)
	for name, c := range map[string]struct {
		env   map[string]string
		given *etcd.Config
		check func(t *testing.T, c *etcd.Config)
	}{
		"nothing set: localhost, no TLS": {nil, nil, func(t *testing.T, c *etcd.Config) {
			assert.Equal(t, []string{"localhost:2379"}, c.Endpoints)
			assert.Nil(t, c.TLS)
			assert.Equal(t, 5*time.Second, c.DialTimeout)
			assert.Equal(t, 10*time.Second, c.DialKeepAliveTime)
			assert.Equal(t, 3*time.Second, c.DialKeepAliveTimeout)
			assert.Empty(t, c.Username+c.Password)
		}},
		"empty variables count as unset": {map[string]string{"ETCD3_USER": "", "ETCD3_ENDPOINT": "", "ETCD3_SKIP_VERIFY": "", "ETCD3_ENABLE_TLS": "", "ETCD3_DIAL_TIMEOUT": "", "ETCD3_CA": "", "ETCD3_TLS_CERT": "", "ETCD3_TLS_KEY": ""}, nil, func(t *testing.T, c *etcd.Config) {
			assert.Equal(t, []string{"localhost:2379"}, c.Endpoints)
			assert.Nil(t, c.TLS)
		}},
		"user and password": {map[string]string{"ETCD3_USER": "user", "ETCD3_PASSWORD": "pass"}, nil, func(t *testing.T, c *etcd.Config) {
			assert.Equal(t, "user", c.Username)
			assert.Equal(t, "pass", c.Password)
		}},
		"endpoints are trimmed, and empty ones left out": {map[string]string{"ETCD3_ENDPOINT": " h1:2379, ,h2:2379 ,,"}, nil, func(t *testing.T, c *etcd.Config) {
			assert.Equal(t, []string{"h1:2379", "h2:2379"}, c.Endpoints)
		}},
		"dial timeout": {map[string]string{"ETCD3_DIAL_TIMEOUT": "10s"}, nil, func(t *testing.T, c *etcd.Config) {
			assert.Equal(t, 10*time.Second, c.DialTimeout)
		}},
		"TLS alone": {map[string]string{"ETCD3_ENABLE_TLS": "true"}, nil, func(t *testing.T, c *etcd.Config) {
			require.NotNil(t, c.TLS)
			assert.False(t, c.TLS.InsecureSkipVerify)
			assert.Nil(t, c.TLS.RootCAs)
		}},
		"false for an answer": {map[string]string{"ETCD3_ENABLE_TLS": "false", "ETCD3_SKIP_VERIFY": "0"}, nil, func(t *testing.T, c *etcd.Config) {
			assert.Nil(t, c.TLS)
		}},
		"no verification": {map[string]string{"ETCD3_SKIP_VERIFY": "true"}, nil, func(t *testing.T, c *etcd.Config) {
			require.NotNil(t, c.TLS)
			assert.True(t, c.TLS.InsecureSkipVerify)
		}},
		"verification with a CA, though skip is false": {map[string]string{"ETCD3_SKIP_VERIFY": "false", "ETCD3_CA": f.cert}, nil, func(t *testing.T, c *etcd.Config) {
			require.NotNil(t, c.TLS)
			assert.False(t, c.TLS.InsecureSkipVerify)
			assert.NotNil(t, c.TLS.RootCAs)
		}},
		"the client's certificate": {map[string]string{"ETCD3_TLS_CERT": f.cert, "ETCD3_TLS_KEY": f.key}, nil, func(t *testing.T, c *etcd.Config) {
			require.NotNil(t, c.TLS)
			assert.Len(t, c.TLS.Certificates, 1)
			assert.Nil(t, c.TLS.RootCAs)
		}},
		"what is set wins": {
			map[string]string{
				"ETCD3_USER": "user", "ETCD3_PASSWORD": "pass", "ETCD3_ENDPOINT": "h1:2379", "ETCD3_DIAL_TIMEOUT": "10s",
				"ETCD3_SKIP_VERIFY": "true",
			},
			&etcd.Config{
				Username: "kit", Password: "kat", Endpoints: []string{"foo:2379"}, DialTimeout: time.Minute,
				DialKeepAliveTime: time.Hour, DialKeepAliveTimeout: time.Second, TLS: &tls.Config{},
			},
			func(t *testing.T, c *etcd.Config) {
				assert.Equal(t, "kit", c.Username)
				assert.Equal(t, "kat", c.Password)
				assert.Equal(t, []string{"foo:2379"}, c.Endpoints)
				assert.Equal(t, time.Minute, c.DialTimeout)
				assert.Equal(t, time.Hour, c.DialKeepAliveTime)
				assert.Equal(t, time.Second, c.DialKeepAliveTimeout)
				assert.False(t, c.TLS.InsecureSkipVerify, "the environment weakens nobody's TLS")
			},
		},
		"blanks of a TLS that is set are filled": {
			map[string]string{"ETCD3_CA": f.cert, "ETCD3_TLS_CERT": f.cert, "ETCD3_TLS_KEY": f.key},
			&etcd.Config{TLS: &tls.Config{ServerName: "etcd"}},
			func(t *testing.T, c *etcd.Config) {
				assert.Equal(t, "etcd", c.TLS.ServerName)
				assert.NotNil(t, c.TLS.RootCAs)
				assert.Len(t, c.TLS.Certificates, 1)
			},
		},
		"a CA and a certificate that are set win": {
			map[string]string{"ETCD3_CA": f.junk, "ETCD3_TLS_CERT": f.junk, "ETCD3_TLS_KEY": f.junk},
			&etcd.Config{TLS: &tls.Config{RootCAs: x509.NewCertPool(), Certificates: make([]tls.Certificate, 2)}},
			func(t *testing.T, c *etcd.Config) { assert.Len(t, c.TLS.Certificates, 2) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			setEnv(t, c.env)
			got, err := etcdutil.NewConfig(c.given)
			require.NoError(t, err)
			c.check(t, got)
		})
	}
}

func TestNewConfigNamesTheVariableThatItCantUse(t *testing.T) {
	f := makeFiles(t)
	for name, c := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"skip verify":        {map[string]string{"ETCD3_SKIP_VERIFY": "maybe"}, []string{`ETCD3_SKIP_VERIFY="maybe"`, "must be true or false"}},
		"enable TLS":         {map[string]string{"ETCD3_ENABLE_TLS": "yes"}, []string{`ETCD3_ENABLE_TLS="yes"`, "must be true or false"}},
		"dial timeout":       {map[string]string{"ETCD3_DIAL_TIMEOUT": "soon"}, []string{`ETCD3_DIAL_TIMEOUT="soon"`, "like 10s"}},
		"dial timeout of 0":  {map[string]string{"ETCD3_DIAL_TIMEOUT": "0s"}, []string{`ETCD3_DIAL_TIMEOUT="0s"`}},
		"no endpoints":       {map[string]string{"ETCD3_ENDPOINT": " , "}, []string{`ETCD3_ENDPOINT=" , "`, "names no endpoint"}},
		"junk CA":            {map[string]string{"ETCD3_CA": f.junk}, []string{"ETCD3_CA", f.junk, "there is no certificate"}},
		"CA that is cut off": {map[string]string{"ETCD3_CA": f.cut}, []string{"ETCD3_CA", f.cut, "can't be read"}},
		"key for a CA":       {map[string]string{"ETCD3_CA": f.key}, []string{"ETCD3_CA", f.key, "there is no certificate"}},
		"missing CA":         {map[string]string{"ETCD3_CA": f.missing}, []string{"ETCD3_CA", f.missing, "no such file"}},
		"junk certificate":   {map[string]string{"ETCD3_TLS_CERT": f.junk, "ETCD3_TLS_KEY": f.key}, []string{"ETCD3_TLS_CERT", f.junk}},
		"junk key":           {map[string]string{"ETCD3_TLS_CERT": f.cert, "ETCD3_TLS_KEY": f.junk}, []string{"ETCD3_TLS_KEY", f.junk}},
		"missing key file":   {map[string]string{"ETCD3_TLS_CERT": f.cert, "ETCD3_TLS_KEY": f.missing}, []string{"ETCD3_TLS_KEY", f.missing}},
		"certificate alone":  {map[string]string{"ETCD3_TLS_CERT": f.cert}, []string{"ETCD3_TLS_CERT", "ETCD3_TLS_KEY", "set both"}},
		"key alone":          {map[string]string{"ETCD3_TLS_KEY": f.key}, []string{"ETCD3_TLS_CERT", "ETCD3_TLS_KEY", "set both"}},
	} {
		t.Run(name, func(t *testing.T) {
			setEnv(t, c.env)
			_, err := etcdutil.NewConfig(nil)
			require.Error(t, err)
			for _, want := range c.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "\n")
			_, err = etcdutil.NewClient(nil)
			assert.Error(t, err)
		})
	}
}

func TestNewConfigLeavesTheCallersConfigAsItIs(t *testing.T) {
	f := makeFiles(t)
	setEnv(t, map[string]string{
		"ETCD3_USER": "user", "ETCD3_PASSWORD": "pass", "ETCD3_CA": f.cert, "ETCD3_TLS_CERT": f.cert, "ETCD3_TLS_KEY": f.key,
		"ETCD3_SKIP_VERIFY": "true", "ETCD3_DIAL_TIMEOUT": "10s",
	})
	given := &etcd.Config{Endpoints: []string{"foo:2379"}, TLS: &tls.Config{}}
	got, err := etcdutil.NewConfig(given)
	require.NoError(t, err)
	assert.Empty(t, given.Username+given.Password)
	assert.Zero(t, given.DialTimeout)
	assert.Zero(t, given.DialKeepAliveTime)
	assert.Nil(t, given.TLS.RootCAs)
	assert.Empty(t, given.TLS.Certificates)
	assert.False(t, given.TLS.InsecureSkipVerify)
	assert.NotSame(t, given.TLS, got.TLS)
	got.Endpoints[0] = "bar:2379"
	assert.Equal(t, []string{"foo:2379"}, given.Endpoints)
}

func TestNewClientWithoutAnythingSpeaksToLocalhost(t *testing.T) {
	client, err := etcdutil.NewClient(nil)
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	assert.Equal(t, []string{"localhost:2379"}, client.Endpoints())
}

func TestAClientThatCantConnectTriesAgainSoonForAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	var dials atomic.Int32
	client, err := etcdutil.NewClient(&etcd.Config{
		Endpoints: []string{"127.0.0.1:1"}, Logger: quiet,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			dials.Add(1)
			return nil, errors.New("nobody is there")
		})},
	})
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	e := etcdutil.NewElectionAsync(client, conf("me", nil))
	defer e.Close()
	// By gRPC's own rules there would be 7 in this time.
	require.Eventually(t, func() bool { return dials.Load() >= 15 }, most, 50*time.Millisecond)
}

func TestNewClientSpeaksTLSAsTheEnvironmentSays(t *testing.T) {
	f := makeFiles(t)
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(c *embed.Config) {
		c.ListenClientUrls[0].Scheme, c.AdvertiseClientUrls[0].Scheme = "https", "https"
		c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = f.cert, f.key
		c.ClientTLSInfo.TrustedCAFile, c.ClientTLSInfo.ClientCertAuth = f.cert, true
	}})
	for name, env := range map[string]map[string]string{
		"trusting a CA":   {"ETCD3_CA": f.cert},
		"trusting anyone": {"ETCD3_SKIP_VERIFY": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnv(t, env)
			setEnv(t, map[string]string{"ETCD3_ENDPOINT": server.Endpoint(), "ETCD3_TLS_CERT": f.cert, "ETCD3_TLS_KEY": f.key})
			client, err := etcdutil.NewClient(&etcd.Config{Logger: quiet})
			require.NoError(t, err)
			defer func() { _ = client.Close() }()
			c := conf("me", nil)
			c.Election = strings.ReplaceAll(name, " ", "-")
			e := elect(t, client, c)
			assert.True(t, e.IsLeader())
			e.Close()
		})
	}
	t.Run("trusting whom the system trusts, which doesn't know this one", func(t *testing.T) {
		setEnv(t, map[string]string{"ETCD3_ENDPOINT": server.Endpoint(), "ETCD3_ENABLE_TLS": "true"})
		client, err := etcdutil.NewClient(&etcd.Config{Logger: quiet})
		require.NoError(t, err)
		defer func() { _ = client.Close() }()
		// How long it takes until it is known why there is no answer depends on the machine.
		for limit := 2 * time.Second; ; limit *= 2 {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			_, err = etcdutil.NewElection(ctx, client, conf("me", nil))
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			if strings.Contains(err.Error(), "certificate signed by unknown authority") {
				break
			}
			require.Less(t, limit, most, "it doesn't say why there is no answer: %v", err)
		}
	})
}
