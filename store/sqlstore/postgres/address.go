package postgres

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/muster-go/muster/internal/nearest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/server"
)

// The parameters of the URL that are ours; the client's stand beside them.
const (
	paramPrefix = "prefix"
	paramSchema = "schema"
	paramNoDDL  = "no_ddl"
)

var (
	ours    = []string{paramNoDDL, paramPrefix, paramSchema}
	clients = []string{
		"application_name", "channel_binding", "connect_timeout", "krbspn", "krbsrvname", "passfile", "service", "servicefile",
		"sslcert", "sslcertmode", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "sslsni",
		"require_auth",
	}
)

// address is what a URL says.
type address struct {
	shown string // the URL without its password and its parameters
	pgx   *pgx.ConnConfig
	names server.Names
	noDDL bool
}

func parseURL(u *url.URL) (*address, error) {
	bare := *u
	bare.RawQuery = "" // what is wrong with a parameter names it; its value may be meant as a password
	a := &address{shown: store.Redact(bare.String())}
	switch {
	case u.Opaque != "" || u.Fragment != "" || u.Host == "":
		return nil, a.refuse("is not like postgres://user@h1:5432,h2:5432/database")
	case strings.Trim(u.Path, "/") == "":
		return nil, a.refuse("names no database: want one like postgres://user@h1:5432,h2:5432/database")
	case strings.Contains(strings.TrimPrefix(u.Path, "/"), "/"):
		return nil, a.refuse("has a path with more than the name of a database: write a %q of the name as %%2F, and a prefix of the tables as ?%s=", "/", paramPrefix)
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, a.refuse("has parameters that can't be read")
	}
	if err := a.take(params); err != nil {
		return nil, err
	}
	for _, name := range ours {
		params.Del(name)
	}
	if len(params["target_session_attrs"]) == 0 {
		params.Set("target_session_attrs", "read-write") // never a standby
	}
	passed := *u
	passed.Scheme, passed.RawQuery = "postgres", params.Encode()
	if a.pgx, err = pgx.ParseConfig(passed.String()); err != nil {
		why := err.Error()
		if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && parse.Unwrap() != nil {
			why = parse.Unwrap().Error() // the rest quotes the URL
		}
		return nil, a.refuse("can't be used (%s)", why)
	}
	if a.pgx.ConnectTimeout <= 0 {
		a.pgx.ConnectTimeout = connectTime
	}
	// The next transaction may be on another connection of a pooler: nothing is prepared.
	a.pgx.DefaultQueryExecMode = pgx.QueryExecModeExec
	a.pgx.StatementCacheCapacity, a.pgx.DescriptionCacheCapacity = 0, 0
	return a, nil
}

// take takes our own parameters, and refuses what nobody knows.
func (a *address) take(params url.Values) error {
	known := slices.Concat(ours, clients, []string{"target_session_attrs"})
	for name, given := range params {
		switch {
		case !slices.Contains(known, name):
			hint := ""
			if near := nearest.Name(name, known); near != "" {
				hint = fmt.Sprintf("did you mean %s? ", near)
			}
			return a.refuse("has an unknown parameter %q: %sknown are %s, fresh, and the client's %s", name, hint, strings.Join(ours, ", "), strings.Join(clients, ", "))
		case len(given) > 1:
			return a.refuse("has the parameter %s twice: leave one out", name)
		case given[0] == "":
			return a.refuse("has the parameter %s without a value: give it one, or leave it out", name)
		}
	}
	if attrs := params.Get("target_session_attrs"); attrs != "" && attrs != "read-write" && attrs != "primary" {
		return a.refuse("has target_session_attrs=%s: leave it out: only a server that writes will do", attrs)
	}
	a.names = server.Names{Schema: params.Get(paramSchema), Prefix: params.Get(paramPrefix)}
	if err := a.names.Validate(); err != nil {
		return a.refuse("can't be used: %w", err)
	}
	switch no := params.Get(paramNoDDL); no {
	case "", "false":
	case "true":
		a.noDDL = true
	default:
		return a.refuse("has %s=%s: want true or false", paramNoDDL, no)
	}
	return nil
}

// refuse is the error for a URL that can't be used.
func (a *address) refuse(format string, args ...any) error {
	err := fmt.Errorf("store URL %q "+format, append([]any{a.shown}, args...)...)
	if errors.Is(err, store.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w: %w", err, store.ErrInvalid)
}

// name is what messages call the store.
func (a *address) name() string {
	hosts := []string{hostPort(a.pgx.Host, a.pgx.Port)}
	for _, f := range a.pgx.Fallbacks {
		if host := hostPort(f.Host, f.Port); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return "PostgreSQL " + strings.Join(hosts, ",") + "/" + a.pgx.Database
}

func hostPort(host string, port uint16) string { return net.JoinHostPort(host, fmt.Sprint(port)) }

// connectTime is for how long a host may take to accept a connection, unless connect_timeout says
// something else.
const connectTime = 3 * time.Second
