package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

func newStore(p *program) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "store",
		Short:   "See what a store needs",
		Example: "  agent store schema --store 'postgres://agent@db/muster?no_ddl=true'",
	})
	cmd.AddCommand(&cobra.Command{
		Use:   "schema",
		Short: "Print the statements that make a store's tables in a database",
		Long: `Print the statements that make the tables of a store in a PostgreSQL, MariaDB or MySQL database, for
somebody who may run them where the store's own user may not. Nothing is asked of the database.

The URL of a store whose tables are only to be checked, and never made, has the parameter no_ddl=true.`,
		Example: "  agent store schema --store 'postgres://agent@db/muster?prefix=muster_' | psql muster",
		Args:    arguments(),
		RunE: func(*cobra.Command, []string) error {
			s, err := p.check()
			if err != nil {
				return err
			}
			ddl, err := schema(s.store.url)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(p.stdout, ddl)
			return err
		},
	})
	return cmd
}

// dialects are those of the schemes whose stores have tables that somebody else can make.
var dialects = map[string]sqlstore.Dialect{
	"mariadb": sqlstore.MariaDB, "mysql": sqlstore.MySQL, "postgres": sqlstore.PostgreSQL, "postgresql": sqlstore.PostgreSQL,
}

// schema gives the statements for the store that a URL names.
func schema(rawURL string) (string, error) {
	scheme, _, _ := strings.Cut(rawURL, ":")
	dialect, ok := dialects[scheme]
	if !ok {
		return "", exit.Errorf(exit.Value, "store %s needs no tables that somebody must make: name one like postgres://… or mysql://… with --store", store.Redact(rawURL))
	}
	_, query, _ := strings.Cut(rawURL, "?") // a list of hosts is more than url.Parse can read
	params, err := url.ParseQuery(query)
	if err != nil {
		return "", exit.Errorf(exit.Value, "store %s: its parameters can't be read", store.Redact(rawURL))
	}
	return sqlstore.Schema(sqlstore.Config{Dialect: dialect, Prefix: params.Get("prefix"), Schema: params.Get("schema")})
}
