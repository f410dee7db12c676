package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

// withPasswords is a PostgreSQL that asks everybody for one but the superuser.
func withPasswords() *servertest.Kind {
	k := servertest.PostgreSQLWith("password_encryption=scram-sha-256")
	prepare := k.Prepare
	k.Prepare = func(s *servertest.Server) error {
		if err := prepare(s); err != nil {
			return err
		}
		return give(s, "pg_hba.conf", []byte("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"))
	}
	return k
}

// withTLS is a PostgreSQL that speaks TLS only, with a certificate of its own making for localhost.
func withTLS(t testing.TB) (k *servertest.Kind, certificate string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	certificate = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(certificate, certPEM, 0o600))
	k = servertest.PostgreSQLWith("ssl=on")
	prepare := k.Prepare
	k.Prepare = func(s *servertest.Server) error {
		if err := prepare(s); err != nil {
			return err
		}
		if err := give(s, "server.crt", certPEM); err != nil {
			return err
		}
		if err := give(s, "server.key", keyPEM); err != nil {
			return err
		}
		return give(s, "pg_hba.conf", []byte("hostssl all all 127.0.0.1/32 trust\n"))
	}
	return k, certificate
}

// give puts a file into the server's folder, which belongs to the server's user.
func give(s *servertest.Server, name string, content []byte) error {
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	folder, err := os.Stat(s.Dir)
	if err != nil {
		return err
	}
	owner := folder.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}
