package consulstore

import (
	"crypto/tls"
	"crypto/x509"
	"strconv"
)

// parseTLS fills a.tls. Any of the TLS parameters but tls=false asks for it.
func (a *address) parseTLS(params map[string]string) error {
	ca, cert, key, name := params[paramCA], params[paramCert], params[paramKey], params[paramServerName]
	wanted := ca != "" || cert != "" || key != "" || name != ""
	if said := params[paramTLS]; said != "" {
		on, err := strconv.ParseBool(said)
		switch {
		case err != nil:
			return a.refuse("has %s=%s: must be true or false", paramTLS, said)
		case !on && wanted:
			return a.refuse("has %s=false and parameters for it: leave one or the other out", paramTLS)
		}
		wanted = on
	}
	if !wanted {
		return nil
	}
	if (cert == "") != (key == "") {
		return a.refuse("has only one of %s and %s: give both", paramCert, paramKey)
	}
	a.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if ca != "" {
		data, err := a.readFile(paramCA, ca)
		if err != nil {
			return err
		}
		a.tls.RootCAs = x509.NewCertPool()
		if !a.tls.RootCAs.AppendCertsFromPEM(data) {
			return a.refuse("names the file %s as %s, in which there is no certificate: give one in PEM format", ca, paramCA)
		}
	}
	if cert == "" {
		return nil
	}
	for param, file := range map[string]string{paramCert: cert, paramKey: key} {
		if _, err := a.readFile(param, file); err != nil {
			return err
		}
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return a.refuse("names the files %s and %s, which are no certificate and its key (%v): give both in PEM format", cert, key, err)
	}
	// Read again at each connection: certificates are renewed under living processes.
	a.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}
	return nil
}
