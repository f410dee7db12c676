package etcdutil

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// certPool reads the file that ETCD3_CA names. All that stands in it must be certificates: a file that
// was cut off would else be trusted in part, and fail at some servers only.
func certPool(file string) (*x509.CertPool, error) {
	data, err := readFile(envCA, file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	found := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("environment variable %s names the file %s, in which a certificate can't be read (%w): give certificates in PEM format", envCA, file, err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, fmt.Errorf("environment variable %s names the file %s, in which there is no certificate: give certificates in PEM format", envCA, file)
	}
	return pool, nil
}

// keyPair reads the files that ETCD3_TLS_CERT and ETCD3_TLS_KEY name.
func keyPair(cert, key string) (tls.Certificate, error) {
	var none tls.Certificate
	if cert == "" || key == "" {
		return none, fmt.Errorf("only one of the environment variables %s and %s is set: set both, or neither", envCert, envKey)
	}
	certPEM, err := readFile(envCert, cert)
	if err != nil {
		return none, err
	}
	keyPEM, err := readFile(envKey, key)
	if err != nil {
		return none, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return none, fmt.Errorf("environment variables %s and %s name the files %s and %s, which are no certificate and its key (%w): give both in PEM format", envCert, envKey, cert, key, err)
	}
	return pair, nil
}

func readFile(variable, file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("environment variable %s: %w: name a file that can be read", variable, err)
	}
	return data, nil
}
