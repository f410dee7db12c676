package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muster-go/muster/store"
)

// engines are the kinds of stores that help and completion know of, as far as the program links them.
var engines = []struct{ scheme, example, what string }{
	{"sqlite", "sqlite:///var/lib/muster/muster.db", "a SQLite file, for the processes of one machine"},
	{"etcd", "etcd://h1:2379,h2:2379/prefix", "etcd"},
	{"postgres", "postgres://user@host/database", "PostgreSQL (postgresql:// too)"},
	{"mysql", "mysql://user@host/database", "MariaDB or MySQL (mariadb:// too)"},
	{"zk", "zk://h1:2181,h2:2181/root", "ZooKeeper"},
	{"exhibitor", "exhibitor://host:8080/root", "ZooKeeper, whose servers Exhibitor lists"},
	{"consul", "consul://host:8500/prefix", "Consul"},
	{"mem", "mem://", "this process's memory, for trying things only"},
}

// storesHelp lists the URLs of the stores that the program links.
func storesHelp(linked store.Openers) string {
	var text strings.Builder
	for _, e := range engines {
		if linked[e.scheme] != nil {
			fmt.Fprintf(&text, "  %-35s %s\n", e.example, e.what)
		}
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// completeStore completes the scheme of a store's URL.
func (p *program) completeStore(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var schemes []string
	for _, e := range engines {
		start := e.scheme + "://"
		if e.scheme == "sqlite" {
			start += "/"
		}
		if p.openers[e.scheme] != nil && strings.HasPrefix(start, prefix) {
			schemes = append(schemes, cobra.CompletionWithDesc(start, e.what))
		}
	}
	return schemes, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// fitting is the TTL nearest to the wanted one that the store can keep, for TTLs that nobody chose.
func fitting(l store.Limits, wanted time.Duration) time.Duration {
	ttl := max(wanted, l.MinTTL)
	if l.MaxTTL > 0 {
		ttl = min(ttl, l.MaxTTL)
	}
	return ttl
}
