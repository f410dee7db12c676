package consulstore

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
	"time"

	"github.com/muster-go/muster/internal/nearest"
	"github.com/muster-go/muster/store"
)

// defaultPort is where an agent of Consul serves its clients.
const defaultPort = "8500"

// tokenVariable and tokenFileVariable are Consul's own environment variables for what the URL needn't say.
const (
	tokenVariable     = "CONSUL_HTTP_TOKEN"
	tokenFileVariable = "CONSUL_HTTP_TOKEN_FILE"
)

// The parameters of the URL.
const (
	paramCA         = "ca"
	paramCert       = "cert"
	paramDC         = "dc"
	paramKey        = "key"
	paramMinTTL     = "min_ttl"
	paramNode       = "node"
	paramServerName = "servername"
	paramTLS        = "tls"
	paramToken      = "token"
	paramTokenFile  = "token_file"
)

var parameters = []string{
	paramCA, paramCert, paramDC, paramKey, paramMinTTL, paramNode, paramServerName, paramTLS, paramToken, paramTokenFile,
}

// address is what a URL says.
type address struct {
	shown      string // the URL without its parameters
	host       string
	prefix     string
	datacenter string // empty: the agent's
	node       string // that sessions belong to; empty: the agent's
	minTTL     time.Duration
	token      *token
	tls        *tls.Config // nil: none
}

// parseURL reads a URL, and the files that it names.
func parseURL(u *url.URL) (address, error) {
	bare := *u
	bare.RawQuery = "" // what is wrong with a parameter names it; its value may be a token
	a := address{shown: store.Redact(bare.String())}
	if u.Opaque != "" || u.Fragment != "" {
		return address{}, a.refuse("is not like consul://host:8500/prefix")
	}
	if u.User != nil {
		return address{}, a.refuse("has a user: Consul knows tokens only: use ?%s=FILE", paramTokenFile)
	}
	if err := a.parseHost(u.Host); err != nil {
		return address{}, err
	}
	a.prefix = strings.Trim(u.Path, "/")
	for part := range strings.SplitSeq(a.prefix, "/") {
		if part == "." || part == ".." || part == "" && a.prefix != "" || strings.ContainsRune(part, 0) {
			return address{}, a.refuse("has a part %q in its prefix: leave it out", part)
		}
	}
	params, err := a.parseParameters(u.RawQuery)
	if err != nil {
		return address{}, err
	}
	a.datacenter, a.node = params[paramDC], params[paramNode]
	if err := a.parseMinTTL(params[paramMinTTL]); err != nil {
		return address{}, err
	}
	if err := a.parseToken(params); err != nil {
		return address{}, err
	}
	return a, a.parseTLS(params)
}

// root is what stands before every key.
func (a *address) root() string {
	if a.prefix == "" {
		return ""
	}
	return a.prefix + "/"
}

// refuse is the error for a URL that can't be used.
func (a *address) refuse(format string, args ...any) error {
	return fmt.Errorf("store URL %q %s: %w", a.shown, fmt.Sprintf(format, args...), store.ErrInvalid)
}

func (a *address) parseHost(host string) error {
	switch {
	case host == "":
		return a.refuse("names no host: want one like consul://127.0.0.1:8500/prefix")
	case strings.Contains(host, ","):
		return a.refuse("names several hosts: name one agent of Consul, best the machine's own, which finds the servers")
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil { // most likely it has no port
		name, port, err = net.SplitHostPort(host + ":" + defaultPort)
	}
	if err != nil || name == "" || port == "" {
		return a.refuse("has a host %q that can't be read: want one like 127.0.0.1:8500", host)
	}
	a.host = net.JoinHostPort(name, port)
	return nil
}

func (a *address) parseParameters(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, a.refuse("has parameters that can't be read: percent-encode what is special in them")
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

func (a *address) parseMinTTL(text string) error {
	if text == "" {
		return nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl <= 0 || ttl > maxTTL {
		return a.refuse("has %s=%s: must be a duration up to %v, such as 10s: what session_ttl_min of Consul's servers is", paramMinTTL, text, maxTTL)
	}
	a.minTTL = ttl
	return nil
}

func (a *address) parseToken(params map[string]string) error {
	text, file, param := params[paramToken], params[paramTokenFile], paramTokenFile
	switch {
	case text != "" && file != "":
		return a.refuse("has both %s and %s: leave one out", paramToken, paramTokenFile)
	case text == "" && file == "":
		text, file, param = os.Getenv(tokenVariable), os.Getenv(tokenFileVariable), tokenFileVariable
	}
	a.token = &token{file: file, latest: strings.TrimSpace(text)}
	if file == "" {
		return nil
	}
	if _, err := a.readFile(param, file); err != nil {
		return err
	}
	if a.token.read() == "" {
		return a.refuse("is used with the token file %s, which is empty: write the token into it", file)
	}
	return nil
}

// readFile reads a file that a parameter, or a variable, names.
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
