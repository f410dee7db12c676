package servertest

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
	"testing"
	"time"
)

// Authority is an authority's certificate and what it signed, as files.
type Authority struct{ CA, ServerCert, ServerKey, ClientCert, ClientKey string }

// NewAuthority makes an authority that signed a certificate of a server, which is at 127.0.0.1 and has
// the name given, and one of a client.
func NewAuthority(t testing.TB, server string) Authority {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("servertest: an authority: %v", err)
		}
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return key
	}
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
	}
	root := template(1, "authority")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	rootKey := newKey()
	sign := func(name string, leaf *x509.Certificate, key *ecdsa.PrivateKey) (cert, keyFile string) {
		der, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, rootKey)
		must(err)
		private, err := x509.MarshalECPrivateKey(key)
		must(err)
		return write(name+".pem", "CERTIFICATE", der), write(name+"-key.pem", "EC PRIVATE KEY", private)
	}
	var a Authority
	a.CA, _ = sign("ca", root, rootKey)
	leaf := template(2, "server")
	leaf.DNSNames, leaf.IPAddresses = []string{server}, []net.IP{net.IPv4(127, 0, 0, 1)}
	a.ServerCert, a.ServerKey = sign("server", leaf, newKey())
	a.ClientCert, a.ClientKey = sign("client", template(3, "client"), newKey())
	return a
}
