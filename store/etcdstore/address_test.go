package etcdstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

func TestOpenRefusesAURLThatCantBeUsedBeforeItContactsAnybody(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	empty, rubbish, missing := file("empty", "\n"), file("rubbish", "x"), filepath.Join(dir, "missing")
	for _, test := range []struct {
		name, url string
		want      []string
	}{
		{"no host", "etcd:///muster", []string{"names no host", "etcd://h1:2379,h2:2379/prefix"}},
		{"no name before a port", "etcd://a,:2379/muster", []string{`a host ":2379"`}},
		{"an empty host in the list", "etcd://a,,b/muster", []string{`a host ""`}},
		{"something behind a #", "etcd://h/muster#1", []string{"is not like etcd://"}},
		{"no slashes", "etcd:h1", []string{"is not like etcd://"}},
		{"a NUL in the prefix", "etcd://h/a%00b", []string{"NUL"}},
		{"an unknown parameter", "etcd://h/?servrname=x", []string{`"servrname"`, "did you mean servername?", "known are cacert, cert, key, password-file, servername, tls and fresh"}},
		{"a parameter twice", "etcd://h/?tls=true&tls=true", []string{"tls twice"}},
		{"a parameter without a value", "etcd://h/?cacert=", []string{"cacert without a value"}},
		{"tls that is neither true nor false", "etcd://h/?tls=maybe", []string{"tls=maybe", "true or false"}},
		{"no TLS, but a certificate for it", "etcd://h/?tls=false&cacert=x", []string{"tls=false"}},
		{"a certificate without its key", "etcd://h/?cert=x", []string{"only one of cert and key"}},
		{"a missing file", "etcd://h/?cacert=" + missing, []string{"cacert", missing}},
		{"a file without certificates", "etcd://h/?cacert=" + rubbish, []string{rubbish, "PEM"}},
		{"files that are no certificate and key", "etcd://h/?cert=" + rubbish + "&key=" + rubbish, []string{rubbish, "PEM"}},
		{"a user without a password", "etcd://muster@h/", []string{"password-file=FILE"}},
		{"a password file without a user", "etcd://h/?password-file=" + rubbish, []string{"no user"}},
		{"a password and a password file", "etcd://muster:secret@h/?password-file=" + rubbish, []string{"leave one out"}},
		{"an empty password file", "etcd://muster@h/?password-file=" + empty, []string{empty, "is empty"}},
		{"a missing password file", "etcd://muster@h/?password-file=" + missing, []string{"password-file", missing}},
		{"a password as a parameter, which isn't shown", "etcd://muster@h/?password=secret", []string{`unknown parameter "password"`, "password-file"}},
		{"a password behind one slash, which isn't shown", "etcd:/muster:secret@h/x", []string{"names no host"}},
		{"a password, which isn't shown", "etcd://muster:secret@h/?x=1", []string{"muster:xxxxx@h"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tryOpen(test.url)
			require.ErrorIs(t, err, store.ErrInvalid)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestNewRefusesAConfigThatCantWork(t *testing.T) {
	_, err := etcdstore.New(etcdstore.Config{})
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorContains(t, err, "no Client")
}
