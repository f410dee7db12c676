package etcdstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/muster-go/muster/internal/nearest"
	"github.com/muster-go/muster/store"
)

// defaultPort is where etcd serves its clients.
const defaultPort = "2379"

// The parameters of the URL.
const (
	paramTLS          = "tls"
	paramCACert       = "cacert"
	paramCert         = "cert"
	paramKey          = "key"
	paramServerName   = "servername"
	paramPasswordFile = "password-file"
)

var parameters = []string{paramCACert, paramCert, paramKey, paramPasswordFile, paramServerName, paramTLS}

// address is what a URL says.
type address struct {
	shown        string // the URL without its password and its parameters
	endpoints    []string
	prefix       string
	user         string
	password     string
	passwordFile *passwordFile // nil: none
	tls          *tls.Config   // nil: none
	serverName   string        // in the servers' certificates; empty: each host's own
}

// parseURL reads a URL, and the files that it names.
func parseURL(u *url.URL) (address, error) {
	bare := *u
	bare.RawQuery = "" // what is wrong with a parameter names it; its value may be meant as a password
	a := address{shown: store.Redact(bare.String())}
	if u.Opaque != "" || u.Fragment != "" {
		return address{}, a.refuse("is not like etcd://h1:2379,h2:2379/prefix")
	}
	if err := a.parseHosts(u.Host); err != nil {
		return address{}, err
	}
	a.prefix = strings.TrimRight(strings.TrimPrefix(u.Path, "/"), "/")
	if strings.ContainsRune(a.prefix, 0) {
		return address{}, a.refuse("has a NUL byte in its prefix: leave it out")
	}
	params, err := a.parseParameters(u.RawQuery)
	if err != nil {
		return address{}, err
	}
	if err := a.parseUser(u.User, params); err != nil {
		return address{}, err
	}
	return a, a.parseTLS(params)
}

// refuse is the error for a URL that can't be used.
func (a *address) refuse(format string, args ...any) error {
	return fmt.Errorf("store URL %q %s: %w", a.shown, fmt.Sprintf(format, args...), store.ErrInvalid)
}

func (a *address) parseHosts(hosts string) error {
	if hosts == "" {
		return a.refuse("names no host: want one like etcd://h1:2379,h2:2379/prefix")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		name, port, err := net.SplitHostPort(host)
		if err != nil { // most likely it has no port
			name, port, err = net.SplitHostPort(host + ":" + defaultPort)
		}
		if err != nil || name == "" || port == "" {
			return a.refuse("has a host %q that can't be read: want a list like h1:2379,h2:2379", host)
		}
		a.endpoints = append(a.endpoints, net.JoinHostPort(name, port))
	}
	return nil
}

func (a *address) parseParameters(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, a.refuse("has parameters that can't be read (%v)", err)
	}
	params := map[string]string{}
	for name, given := range values {
		switch {
		case !slices.Contains(parameters, name):
			hint := ""
			if near := nearest.Name(name, parameters); near != "" {
				hint = fmt.Sprintf("did you mean %s? ", near)
			}
			return nil, a.refuse("has an unknown parameter %q: %sknown are %s and fresh", name, hint, strings.Join(parameters, ", "))
		case len(given) > 1:
			return nil, a.refuse("has the parameter %s twice: leave one out", name)
		case given[0] == "":
			return nil, a.refuse("has the parameter %s without a value: give it one, or leave it out", name)
		}
		params[name] = given[0]
	}
	return params, nil
}

func (a *address) parseUser(user *url.Userinfo, params map[string]string) error {
	file := params[paramPasswordFile]
	password, inURL := user.Password()
	a.user, a.password = user.Username(), password
	switch {
	case a.user == "" && file == "" && !inURL:
		return nil
	case a.user == "":
		return a.refuse("has a password but no user: want one like etcd://user@host/prefix?%s=FILE", paramPasswordFile)
	case file != "" && inURL:
		return a.refuse("has a password and a password file: leave one out")
	case file == "" && password == "":
		return a.refuse("has a user without a password: add ?%s=FILE (a client certificate that names the user needs no user here)", paramPasswordFile)
	case file == "":
		return nil
	}
	data, err := a.readFile(paramPasswordFile, file)
	if err != nil {
		return err
	}
	if a.password = trimPassword(data); a.password == "" {
		return a.refuse("names the password file %s, which is empty: write the password into it", file)
	}
	a.passwordFile = &passwordFile{name: file, latest: a.password}
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
