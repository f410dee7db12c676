package imports_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/imports"
)

func TestCheckFindsEveryBreach(t *testing.T) {
	const ours = imports.Module + "/"
	tests := []struct {
		name string
		pkg  imports.Package
		want []string // parts of the one expected line; none: no breach
	}{
		{
			name: "a package without a rule",
			pkg:  imports.Package{Path: "helpers"},
			want: []string{"package helpers isn't placed", "rules.go"},
		},
		{
			name: "a folder too deep for its rule",
			pkg:  imports.Package{Path: "store/memstore/deep"},
			want: []string{"isn't placed"},
		},
		{
			name: "a kit without a placed parent",
			pkg:  imports.Package{Path: "helpers/helperstest"},
			want: []string{"isn't placed"},
		},
		{
			name: "a capability that imports a driver",
			pkg:  imports.Package{Path: "tracker", Imports: []string{ours + "store/sqlstore"}},
			want: []string{"tracker imports store/sqlstore", "only claimer", "three-method Claimer"},
		},
		{
			name: "a driver that imports a capability",
			pkg:  imports.Package{Path: "store/memstore", Imports: []string{ours + "claimer"}},
			want: []string{"store/memstore imports claimer", "neither another driver nor a capability"},
		},
		{
			name: "a driver that imports another",
			pkg:  imports.Package{Path: "store/sqlstore", Imports: []string{ours + "store/memstore"}},
			want: []string{"store/sqlstore imports store/memstore"},
		},
		{
			name: "the contract that imports a driver",
			pkg:  imports.Package{Path: "store", Imports: []string{ours + "store/memstore"}},
			want: []string{"store imports store/memstore", "below everything"},
		},
		{
			name: "an internal package that imports the contract",
			pkg:  imports.Package{Path: "internal/bootclock", Imports: []string{ours + "store"}},
			want: []string{"internal/bootclock imports store", "cycles"},
		},
		{
			name: "a library package that imports the program's own",
			pkg:  imports.Package{Path: "claimer", Imports: []string{ours + "cmd/agent/internal/guard"}},
			want: []string{"claimer imports cmd/agent/internal/guard"},
		},
		{
			name: "production code that imports a kit",
			pkg:  imports.Package{Path: "cmd/agent", Imports: []string{ours + "store/storetest"}},
			want: []string{"imports the kit store/storetest"},
		},
		{
			name: "production code that imports the etcd of the tests",
			pkg:  imports.Package{Path: "store/etcdstore", Imports: []string{ours + "internal/etcdtest"}},
			want: []string{"imports the kit internal/etcdtest"},
		},
		{
			name: "production code that imports etcd's server",
			pkg:  imports.Package{Path: "store/etcdstore", Imports: []string{"go.etcd.io/etcd/server/v3/embed"}},
			want: []string{"imports go.etcd.io/etcd/server/v3/embed", "test libraries"},
		},
		{
			name: "a driver that imports the kit of its contract",
			pkg:  imports.Package{Path: "store/memstore", Imports: []string{ours + "store/storetest"}},
			want: []string{"imports the kit store/storetest"},
		},
		{
			name: "a kit that imports what its parent may not",
			pkg:  imports.Package{Path: "claimer/claimertest", Imports: []string{ours + "store/memstore"}},
			want: []string{"claimertest imports store/memstore", "claimer, store"},
		},
		{
			name: "a capability that imports the dependency engine",
			pkg:  imports.Package{Path: "tracker", Imports: []string{"github.com/juju/worker/v4/dependency"}},
			want: []string{"tracker imports github.com/juju/worker/v4/dependency", "only manifold, engine, cmd/agent/..."},
		},
		{
			name: "a package below a limited one",
			pkg:  imports.Package{Path: "store", Imports: []string{"modernc.org/sqlite/lib"}},
			want: []string{"store imports modernc.org/sqlite/lib", "only store/sqlstore"},
		},
		{
			name: "production code that imports a test library",
			pkg:  imports.Package{Path: "store", Imports: []string{"github.com/stretchr/testify/assert"}},
			want: []string{"store imports github.com/stretchr/testify/assert", "test libraries"},
		},
		{
			name: "an init function",
			pkg:  imports.Package{Path: "store/sqlstore", Inits: []string{"driver.go:7"}},
			want: []string{"func init (driver.go:7)", "ordinary code"},
		},
		{
			name: "everyone may import an internal package",
			pkg:  imports.Package{Path: "tracker", Imports: []string{ours + "internal/bootclock", ours + "claimer", "time"}},
		},
		{
			name: "a kit may import its parent, what that may import, and test libraries",
			pkg:  imports.Package{Path: "claimer/claimertest", Imports: []string{ours + "claimer", ours + "store", "testing", "github.com/stretchr/testify/require"}},
		},
		{
			name: "the program may import every driver, and its own packages each other",
			pkg:  imports.Package{Path: "cmd/agent/internal/run", Imports: []string{ours + "store/sqlstore", ours + "cmd/agent/internal/guard", "github.com/spf13/cobra"}},
		},
		{
			name: "a name that only begins like a test library is none",
			pkg:  imports.Package{Path: "store", Imports: []string{"testingtools.example/x"}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := imports.Check([]imports.Package{test.pkg})
			if test.want == nil {
				assert.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			for _, part := range test.want {
				assert.Contains(t, got[0], part)
			}
		})
	}
}

func TestEveryRuleGivesItsReason(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range imports.Rules {
		assert.NotEmpty(t, rule.Why, rule.Who)
		assert.False(t, seen[rule.Who], "two rules for %s", rule.Who)
		seen[rule.Who] = true
	}
	for _, limit := range imports.Limits {
		assert.NotEmpty(t, limit.Why, limit.Import)
	}
}
