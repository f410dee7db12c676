package mysql

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	client "github.com/go-sql-driver/mysql"

	"github.com/muster-go/muster/internal/nearest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/server"
)

const (
	// defaultPort is where MariaDB and MySQL serve their clients.
	defaultPort = "3306"
	// connectTime is for how long a host may take to accept a connection.
	connectTime = 3 * time.Second
	// program is what the server's administrator sees of a connection, among its attributes.
	program = "program_name:muster"
)

// The parameters of the URL.
const (
	paramCACert       = "cacert"
	paramCert         = "cert"
	paramKey          = "key"
	paramNoDDL        = "no_ddl"
	paramPasswordFile = "password-file"
	paramPrefix       = "prefix"
	paramServerName   = "servername"
	paramSocket       = "socket"
	paramTLS          = "tls"
)

var parameters = []string{paramCACert, paramCert, paramKey, paramNoDDL, paramPasswordFile, paramPrefix, paramServerName, paramSocket, paramTLS}

// address is what a URL says.
type address struct {
	shown        string // the URL without its password and its parameters
	hosts        []string
	socket       string // in place of hosts
	database     string
	user         string
	password     string
	passwordFile string
	tls          *tls.Config // nil: none
	serverName   string      // in the servers' certificates; empty: each host's own
	names        server.Names
	noDDL        bool
}

// parseURL reads a URL, and the files that it names.
func parseURL(u *url.URL) (*address, error) {
	bare := *u
	bare.RawQuery = "" // what is wrong with a parameter names it; its value may be meant as a password
	a := &address{shown: store.Redact(bare.String())}
	if u.Opaque != "" || u.Fragment != "" {
		return nil, a.refuse("is not like mysql://user:password@h1:3306/database")
	}
	a.database = strings.TrimPrefix(u.Path, "/")
	switch {
	case a.database == "":
		return nil, a.refuse("names no database: want one like mysql://user:password@h1:3306/database")
	case strings.Contains(a.database, "/"):
		return nil, a.refuse("has a path with more than the name of a database: write a prefix of the tables as ?%s=", paramPrefix)
	}
	params, err := a.parseParameters(u.RawQuery)
	if err != nil {
		return nil, err
	}
	if err := a.parseHosts(u.Host, params[paramSocket]); err != nil {
		return nil, err
	}
	if err := a.parseUser(u.User, params[paramPasswordFile]); err != nil {
		return nil, err
	}
	a.names = server.Names{Prefix: params[paramPrefix]}
	if err := a.names.Validate(); err != nil {
		return nil, fmt.Errorf("store URL %q can't be used: %w", a.shown, err)
	}
	switch no := params[paramNoDDL]; no {
	case "", "false":
	case "true":
		a.noDDL = true
	default:
		return nil, a.refuse("has %s=%s: want true or false", paramNoDDL, no)
	}
	return a, a.parseTLS(params)
}

// refuse is the error for a URL that can't be used.
func (a *address) refuse(format string, args ...any) error {
	return fmt.Errorf("store URL %q %s: %w", a.shown, fmt.Sprintf(format, args...), store.ErrInvalid)
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

func (a *address) parseHosts(hosts, socket string) error {
	switch {
	case hosts == "" && socket == "":
		return a.refuse("names no host: want one like mysql://user:password@h1:3306/database, or ?%s=/run/mysqld/mysqld.sock", paramSocket)
	case hosts != "" && socket != "":
		return a.refuse("names a host and a socket: leave one out")
	case socket != "":
		a.socket = socket
		return nil
	}
	for host := range strings.SplitSeq(hosts, ",") {
		name, port, err := net.SplitHostPort(host)
		if err != nil { // most likely it has no port
			name, port, err = net.SplitHostPort(host + ":" + defaultPort)
		}
		if err != nil || name == "" || port == "" {
			return a.refuse("has a host %q that can't be read: want a list like h1:3306,h2:3306", host)
		}
		a.hosts = append(a.hosts, net.JoinHostPort(name, port))
	}
	return nil
}

func (a *address) parseUser(user *url.Userinfo, file string) error {
	password, inURL := user.Password()
	a.user, a.password, a.passwordFile = user.Username(), password, file
	switch {
	case a.user == "":
		return a.refuse("names no user: want one like mysql://user:password@h1:3306/database")
	case file != "" && inURL:
		return a.refuse("has a password and a password file: leave one out")
	case file == "":
		return nil
	}
	_, err := a.readPassword()
	return err
}

// configs are the client's, one a host, in the URL's order.
func (a *address) configs() ([]*client.Config, error) {
	places := a.hosts
	if a.socket != "" {
		places = []string{a.socket}
	}
	var configs []*client.Config
	for _, place := range places {
		c := client.NewConfig()
		c.User, c.Passwd, c.DBName, c.Net, c.Addr = a.user, a.password, a.database, "tcp", place
		if a.socket != "" {
			c.Net = "unix"
		}
		c.Timeout, c.ConnectionAttributes, c.Logger = connectTime, program, &client.NopLogger{}
		// No statement is prepared: each request is one round trip, and the next may be on another
		// connection of a pooler. What the server says was done goes by the rows that were found.
		c.InterpolateParams, c.ClientFoundRows, c.MultiStatements = true, true, true
		c.Params = map[string]string{"autocommit": "1", "sql_mode": "'STRICT_ALL_TABLES'"}
		if a.tls != nil {
			c.TLS = a.tls.Clone()
			if c.TLS.ServerName = a.serverName; a.serverName == "" {
				c.TLS.ServerName, _, _ = net.SplitHostPort(place)
			}
		}
		if a.passwordFile != "" {
			if err := c.Apply(client.BeforeConnect(a.enter)); err != nil {
				return nil, err
			}
		}
		configs = append(configs, c)
	}
	return configs, nil
}

// name is what messages call the store on a kind of server.
func (a *address) name(kind string) string {
	where := strings.Join(a.hosts, ",")
	if a.socket != "" {
		where = a.socket
	}
	return kind + " " + where + "/" + a.database
}
