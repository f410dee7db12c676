package zkstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/muster-go/muster/internal/nearest"
	"github.com/muster-go/muster/store"
)

// The ports where ZooKeeper and Exhibitor serve their clients.
const (
	defaultPort          = "2181"
	defaultExhibitorPort = "8080"
)

// The parameters of the URL.
const (
	paramPasswordFile = "password-file"
	paramReadable     = "readable"
	paramPoll         = "poll" // of Exhibitor only
)

// address is what a URL says.
type address struct {
	shown    string // the URL without its password and its parameters
	scheme   string
	hosts    []string
	root     string
	user     string
	password string
	readable bool
	poll     time.Duration
}

func (a *address) config(clk store.Clock) config {
	return config{root: a.root, user: a.user, password: a.password, readable: a.readable, clock: clk, logger: slog.Default()}
}

// parseURL reads a URL, and the file that it names.
func parseURL(u *url.URL, port string) (address, error) {
	bare := *u
	bare.RawQuery = "" // what is wrong with a parameter names it; its value may be meant as a password
	a := address{shown: store.Redact(bare.String()), scheme: u.Scheme, poll: defaultPoll}
	if u.Opaque != "" || u.Fragment != "" {
		return address{}, a.refuse("is not like %s", a.example())
	}
	if err := a.parseHosts(u.Host, port); err != nil {
		return address{}, err
	}
	if err := a.parseRoot(strings.Trim(u.Path, "/")); err != nil {
		return address{}, err
	}
	params, err := a.parseParameters(u.RawQuery)
	if err != nil {
		return address{}, err
	}
	switch params[paramReadable] {
	case "", "false":
	case "true":
		a.readable = true
	default:
		return address{}, a.refuse("has %s=%s: give it true or false", paramReadable, params[paramReadable])
	}
	if text := params[paramPoll]; text != "" {
		if a.poll, err = time.ParseDuration(text); err != nil || a.poll <= 0 {
			return address{}, a.refuse("has %s=%s: give it a time, as in %s=30s", paramPoll, text, paramPoll)
		}
	}
	return a, a.parseUser(u.User, params)
}

func (a *address) example() string {
	if a.scheme == "exhibitor" {
		return "exhibitor://h:8080/root"
	}
	return "zk://h1:2181,h2:2181/root"
}

// refuse is the error for a URL that can't be used.
func (a *address) refuse(format string, args ...any) error {
	return fmt.Errorf("store URL %q %s: %w", a.shown, fmt.Sprintf(format, args...), store.ErrInvalid)
}

func (a *address) parseHosts(hosts, port string) error {
	if hosts == "" {
		return a.refuse("names no host: want one like %s", a.example())
	}
	for host := range strings.SplitSeq(hosts, ",") {
		name, at, err := net.SplitHostPort(host)
		if err != nil { // most likely it has no port
			name, at, err = net.SplitHostPort(host + ":" + port)
		}
		if err != nil || name == "" || at == "" {
			return a.refuse("has a host %q that can't be read: want a list like h1:%s,h2:%s", host, port, port)
		}
		a.hosts = append(a.hosts, net.JoinHostPort(name, at))
	}
	return nil
}

func (a *address) parseRoot(root string) error {
	if root == "" {
		return nil
	}
	for segment := range strings.SplitSeq(root, "/") {
		switch {
		case segment == "":
			return a.refuse("has an empty part in its root: leave out one /")
		case segment == "." || segment == "..":
			return a.refuse("has the part %q in its root: leave it out", segment)
		case strings.ContainsFunc(segment, func(r rune) bool {
			return r < ' ' || r >= 0x7F && r <= 0x9F || r >= 0xD800 && r <= 0xF8FF || r >= 0xFFF0
		}):
			return a.refuse("has a character in its root that ZooKeeper doesn't take: leave it out")
		}
	}
	if root == "zookeeper" || strings.HasPrefix(root, "zookeeper/") {
		return a.refuse("has the root /zookeeper, which is ZooKeeper's own: choose another one")
	}
	a.root = "/" + root
	return nil
}

func (a *address) parseParameters(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, a.refuse("has parameters that can't be read (%v)", err)
	}
	known := []string{paramPasswordFile, paramReadable}
	if a.scheme == "exhibitor" {
		known = append(known, paramPoll)
	}
	params := map[string]string{}
	for name, given := range values {
		switch {
		case !slices.Contains(known, name):
			hint := ""
			if near := nearest.Name(name, known); near != "" {
				hint = fmt.Sprintf("did you mean %s? ", near)
			}
			return nil, a.refuse("has an unknown parameter %q: %sknown are %s and fresh", name, hint, strings.Join(known, ", "))
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
		if a.readable {
			return a.refuse("has %s, but no user: without one, everybody may write too", paramReadable)
		}
		return nil
	case a.user == "":
		return a.refuse("has a password but no user: want one like %s://user@host/root?%s=FILE", a.scheme, paramPasswordFile)
	case strings.Contains(a.user, ":"):
		return a.refuse("has a user with a colon: ZooKeeper knows none")
	case file != "" && inURL:
		return a.refuse("has a password and a password file: leave one out")
	case file == "" && password == "":
		return a.refuse("has a user without a password: add ?%s=FILE", paramPasswordFile)
	case file == "":
		return nil
	}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("store URL %q: %s: %v: let this user read it: %w", a.shown, paramPasswordFile, err, store.ErrUnauthorized)
	case err != nil:
		return fmt.Errorf("store URL %q: %s: %v: give the path of a file that can be read: %w", a.shown, paramPasswordFile, err, store.ErrInvalid)
	}
	if a.password = strings.TrimRight(string(data), "\r\n"); a.password == "" {
		return a.refuse("names the password file %s, which is empty: write the password into it", file)
	}
	return nil
}
