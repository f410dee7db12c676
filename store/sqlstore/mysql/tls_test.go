package mysql_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// certificate makes a certificate for both sides, signed by itself, and its key.
func certificate(t testing.TB, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "db.example")
	clientCert, clientKey := certificate(t, "client.example")
	kind := servertest.MariaDBWith("--ssl-cert=cert.pem", "--ssl-key=key.pem", "--ssl-ca=client.pem") // in its folder
	prepare := kind.Prepare
	kind.Prepare = func(s *servertest.Server) error {
		if err := prepare(s); err != nil {
			return err
		}
		for name, data := range map[string][]byte{"cert.pem": cert, "key.pem": key, "client.pem": clientCert} {
			if err := os.WriteFile(filepath.Join(s.Dir, name), data, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	p := newPlace(t, servertest.Start(t, kind))
	admin := handle(t, p.addr, "", nil)
	run(t, admin, "CREATE USER tls@'%' REQUIRE X509", "GRANT ALL ON *.* TO tls@'%'")
	folder := t.TempDir()
	param := func(param, name string, data []byte) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, data, 0o600))
		return param + "=" + url.QueryEscape(file)
	}
	ca, mine := param("cacert", "ca.pem", cert), param("cert", "mine.pem", clientCert)+"&"+param("key", "mine.key", clientKey)
	asTLS := "mysql://tls@" + p.addr + "/" + p.database + "?"

	t.Run("speaks it with the server's authority", func(t *testing.T) {
		d := open(t, p.url(p.addr, ca))
		defer func() { _ = d.Close() }()
		_, err := d.List(context.Background(), "")
		require.NoError(t, err)
	})
	t.Run("shows a certificate to a server that wants one", func(t *testing.T) {
		d := open(t, asTLS+ca+"&"+mine+"&servername=db.example")
		require.NoError(t, d.Close())
		_, err := tryOpen(asTLS + ca)
		require.ErrorIs(t, err, store.ErrUnauthorized)
	})
	t.Run("refuses a server that somebody else vouches for", func(t *testing.T) {
		for _, params := range []string{"tls=true", param("cacert", "other.pem", clientCert), ca + "&servername=other.example"} {
			_, err := tryOpen(p.url(p.addr, params))
			require.ErrorContains(t, err, "certificate", params)
		}
	})
	t.Run("doesn't do without it", func(t *testing.T) {
		plain := newPlace(t, servertest.Shared(t, servertest.MariaDB))
		_, err := tryOpen(plain.url(plain.addr, "tls=true"))
		require.ErrorContains(t, err, "TLS")
	})
}
