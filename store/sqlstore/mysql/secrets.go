package mysql

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	client "github.com/go-sql-driver/mysql"

	"github.com/muster-go/muster/store"
)

// parseTLS fills a.tls. Any of the TLS parameters but tls=false asks for it.
func (a *address) parseTLS(params map[string]string) error {
	ca, cert, key, name := params[paramCACert], params[paramCert], params[paramKey], params[paramServerName]
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
	switch {
	case !wanted:
		return nil
	case (cert == "") != (key == ""):
		return a.refuse("has only one of %s and %s: give both", paramCert, paramKey)
	case a.socket != "" && name == "":
		return a.refuse("asks for TLS on a socket, which needs a %s: give it, or leave TLS out", paramServerName)
	}
	a.tls, a.serverName = &tls.Config{MinVersion: tls.VersionTLS12}, name
	if ca != "" {
		data, err := a.readFile(paramCACert, ca)
		if err != nil {
			return err
		}
		a.tls.RootCAs = x509.NewCertPool()
		if !a.tls.RootCAs.AppendCertsFromPEM(data) {
			return a.refuse("names the file %s as %s, in which there is no certificate: give one in PEM format", ca, paramCACert)
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

// readPassword reads the password file.
func (a *address) readPassword() (string, error) {
	data, err := a.readFile(paramPasswordFile, a.passwordFile)
	if err != nil {
		return "", err
	}
	password := string(bytes.TrimRight(data, "\r\n")) // what editors put behind it
	if password == "" {
		return "", a.refuse("names the password file %s, which is empty: write the password into it", a.passwordFile)
	}
	return password, nil
}

// enter gives a new connection the password of the moment: it may be changed under living processes.
func (a *address) enter(_ context.Context, c *client.Config) error {
	password, err := a.readPassword()
	if err != nil {
		// It may be there again soon.
		return errors.New(err.Error())
	}
	c.Passwd = password
	return nil
}

// readFile reads a file that a parameter names.
func (a *address) readFile(param, name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("store URL %q: %s: %v: let this user read it: %w", a.shown, param, err, store.ErrUnauthorized)
	}
	return nil, fmt.Errorf("store URL %q: %s: %v: give the path of a file that can be read: %w", a.shown, param, err, store.ErrInvalid)
}
