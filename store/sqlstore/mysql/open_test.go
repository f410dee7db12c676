package mysql_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

func TestAURLThatCannotBeUsedIsRefusedWithTheMend(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for rawURL, says := range map[string]string{
		"mysql:root@h/db":                          "is not like mysql://user:password@h1:3306/database",
		"mysql://root@h":                           "names no database: want one like mysql://user:password@h1:3306/database",
		"mysql://root@h/db/prefix":                 "write a prefix of the tables as ?prefix=",
		"mysql:///db":                              "names no host",
		"mysql://root@h1,/db":                      `has a host "" that can't be read: want a list like h1:3306,h2:3306`,
		"mysql://root@h/db?socket=/s":              "names a host and a socket: leave one out",
		"mysql://h/db":                             "names no user",
		"mysql://root@h/db?tsl=true":               `has an unknown parameter "tsl": did you mean tls?`,
		"mysql://root@h/db?prefix=a&prefix=b":      "has the parameter prefix twice: leave one out",
		"mysql://root@h/db?prefix=":                "has the parameter prefix without a value",
		"mysql://root@h/db?prefix=Big-":            `the prefix of the tables "Big-"`,
		"mysql://root@h/db?no_ddl=maybe":           "has no_ddl=maybe: want true or false",
		"mysql://root@h/db?tls=maybe":              "has tls=maybe: must be true or false",
		"mysql://root@h/db?tls=false&cacert=/x":    "has tls=false and parameters for it",
		"mysql://root@h/db?cert=/x":                "has only one of cert and key: give both",
		"mysql://root@h/db?cacert=/none":           "cacert: open /none: no such file or directory: give the path of a file that can be read",
		"mysql://root@h/db?cacert=" + empty:        "in which there is no certificate",
		"mysql://root@h/db?cert=/none&key=/none":   "no such file or directory",
		"mysql://root:p@h/db?password-file=/x":     "has a password and a password file: leave one out",
		"mysql://root@h/db?password-file=" + empty: "which is empty: write the password into it",
		"mysql://root@/db?socket=/s&tls=true":      "asks for TLS on a socket",
	} {
		t.Run(rawURL, func(t *testing.T) {
			_, err := tryOpen(rawURL)
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, says)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestNoMessageHasThePassword(t *testing.T) {
	for _, rawURL := range []string{
		"mysql://root:secret@127.0.0.1:1/db", "mysql://root:secret@127.0.0.1:1/db?x=y", "mysql://root:secret@127.0.0.1:1/", "mysql://root@127.0.0.1:1/db?password=secret",
	} {
		_, err := tryOpen(rawURL)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestAServerThatDoesNotAnswerIsUnreachableInTime(t *testing.T) {
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	proxy := servertest.NewProxy(t, p.addr)
	proxy.BlackHole()
	began := time.Now()
	_, err := tryOpen(p.url(proxy.Endpoint()))
	require.ErrorIs(t, err, store.ErrUnreachable)
	require.Less(t, time.Since(began), 20*time.Second)

	_, err = tryOpen(p.url("127.0.0.1:1"))
	require.ErrorIs(t, err, store.ErrUnreachable)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "\n")
}

// user makes a user with rights on the place's database, and gives the URL for it.
func (p place) user(t testing.TB, name, rights string, params ...string) string {
	t.Helper()
	name += "_" + p.database
	admin := handle(t, p.addr, p.database, nil)
	run(t, admin, "CREATE USER '"+name+"'@'%' IDENTIFIED BY 'secret'")
	if rights != "" {
		run(t, admin, "GRANT "+rights+" ON "+p.database+".* TO '"+name+"'@'%'")
	}
	return strings.Replace(p.url(p.addr, params...), "root@", name+":secret@", 1)
}

func TestWhoMayNotIsToldWhatToMend(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	t.Run("a wrong password", func(t *testing.T) {
		_, err := tryOpen(strings.Replace(p.user(t, "a", "ALL"), "secret", "wrong", 1))
		require.ErrorIs(t, err, store.ErrUnauthorized)
		require.ErrorContains(t, err, "check the user, the password and the rights")
		require.NotContains(t, err.Error(), "wrong@")
	})
	t.Run("a database that doesn't exist", func(t *testing.T) {
		_, err := tryOpen("mysql://root@" + p.addr + "/nowhere")
		require.ErrorIs(t, err, store.ErrInvalid)
		require.ErrorContains(t, err, "create the database, or name another")
	})
	t.Run("no right on the database", func(t *testing.T) {
		_, err := tryOpen(p.user(t, "b", ""))
		require.ErrorIs(t, err, store.ErrUnauthorized)
	})
	t.Run("no right to make tables", func(t *testing.T) {
		_, err := tryOpen(p.user(t, "c", "SELECT, INSERT, UPDATE, DELETE", "prefix=c_"))
		require.ErrorIs(t, err, store.ErrUnauthorized)
		require.ErrorContains(t, err, "agent store schema")
	})
	t.Run("no right to write", func(t *testing.T) {
		d := open(t, p.url(p.addr))
		require.NoError(t, d.Close())
		for _, rights := range []string{"SELECT", "SELECT, INSERT, UPDATE", "SELECT, INSERT, DELETE", "SELECT, UPDATE, DELETE"} {
			_, err := tryOpen(p.user(t, strings.ToLower(rand.Text()[:6]), rights))
			require.ErrorIs(t, err, store.ErrUnauthorized, rights)
			require.ErrorContains(t, err, "command denied", rights)
		}
	})
}

func TestTheTablesCanBeMadeBySomebodyElse(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	rawURL := p.user(t, "d", "SELECT, INSERT, UPDATE, DELETE", "prefix=other_", "no_ddl=true")
	_, err := tryOpen(rawURL)
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorContains(t, err, "are missing, and may not be made (no_ddl)")

	text, err := sqlstore.Schema(sqlstore.Config{Dialect: sqlstore.MySQL, Prefix: "other_"})
	require.NoError(t, err)
	run(t, handle(t, p.addr, p.database, func(c *client.Config) { c.MultiStatements = true }), text)
	d := open(t, rawURL)
	defer func() { _ = d.Close() }()
	outcomes, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "a", Value: []byte("1")}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	id, err := d.Grant(context.Background(), time.Second)
	require.NoError(t, err)
	require.NoError(t, d.Renew(context.Background(), id))
	require.NoError(t, d.Revoke(context.Background(), id))
}

func TestAPasswordFileIsReadAtEachConnection(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("secret\n"), 0o600))
	rawURL := strings.Replace(p.user(t, "e", "ALL", "password-file="+url.QueryEscape(file)), ":secret", "", 1)
	proxy := servertest.NewProxy(t, p.addr)
	d := open(t, strings.Replace(rawURL, p.addr, proxy.Endpoint(), 1))
	defer func() { _ = d.Close() }()
	require.NoError(t, os.WriteFile(file, []byte("changed"), 0o600))
	run(t, handle(t, p.addr, "", nil), "SET PASSWORD FOR 'e_"+p.database+"'@'%' = PASSWORD('changed')")
	proxy.Cut() // every connection is to be a new one
	_, err := d.List(context.Background(), "")
	require.Error(t, err)
	proxy.Heal()
	require.Eventually(t, func() bool {
		_, err := d.List(context.Background(), "")
		return err == nil
	}, time.Minute, 10*time.Millisecond)
}

func TestAServerOnWhichPromisesCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.MariaDB)
	p := newPlace(t, server)
	admin := handle(t, p.addr, "", nil)
	for _, c := range []struct{ set, reset, says string }{
		{"innodb_flush_log_at_trx_commit = 0", "innodb_flush_log_at_trx_commit = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1"},
		{"max_allowed_packet = 1048576", "max_allowed_packet = 16777216", "set max_allowed_packet to 4194304 or more"},
		{"tx_isolation = 'READ-UNCOMMITTED'", "tx_isolation = 'REPEATABLE-READ'", "transaction_isolation"},
	} {
		run(t, admin, "SET GLOBAL "+c.set)
		_, err := tryOpen(p.url(p.addr))
		run(t, admin, "SET GLOBAL "+c.reset)
		assert.ErrorIs(t, err, store.ErrInvalid, c.set)
		assert.ErrorContains(t, err, c.says, c.set)
	}
	run(t, admin, "SET GLOBAL read_only = 1")
	_, err := tryOpen(p.url(p.addr)) // as a user who may write all the same
	require.ErrorIs(t, err, store.ErrUnreachable)
	require.ErrorContains(t, err, "name the one that writes")
	run(t, admin, "SET GLOBAL read_only = 0")

	for name, value := range map[string]string{"autocommit": "0", "sql_mode": "'ORACLE'"} { // a handle's
		db := handle(t, p.addr, p.database, func(c *client.Config) { c.Params = map[string]string{name: value} })
		_, err = sqlstore.New(context.Background(), db, sqlstore.Config{})
		require.ErrorIs(t, err, store.ErrInvalid)
		require.ErrorContains(t, err, name)
	}
	run(t, admin, "SET GLOBAL autocommit = 0", "SET GLOBAL sql_mode = 'ORACLE'")
	d := open(t, p.url(p.addr)) // whose connections are as they must be
	_, err = d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "a"}})
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

func TestAServerThatIsSetToReadOnlyIsNotRead(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Start(t, servertest.MariaDB))
	d := open(t, p.url(p.addr))
	defer func() { _ = d.Close() }()
	run(t, handle(t, p.addr, "", nil), "SET GLOBAL read_only = 1")
	_, err := d.List(context.Background(), "")
	require.ErrorContains(t, err, "became a standby")
	_, err = d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "a"}})
	require.ErrorContains(t, err, "became a standby")
	run(t, handle(t, p.addr, "", nil), "SET GLOBAL read_only = 0")
	snapshot, err := d.List(context.Background(), "")
	require.NoError(t, err)
	require.Empty(t, snapshot.Records, "nothing was written")
}

func TestOfSeveralHostsTheOneThatWritesIsUsed(t *testing.T) {
	t.Parallel()
	standby := servertest.Start(t, servertest.MariaDBWith("--read-only=1"))
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	run(t, handle(t, standby.Addr(), "", nil), "CREATE DATABASE "+p.database) // as the replica of p's server would have
	d := open(t, p.url("127.0.0.1:1,"+standby.Addr()+","+p.addr))
	defer func() { _ = d.Close() }()
	_, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "a"}})
	require.NoError(t, err)

	_, err = tryOpen(p.url("127.0.0.1:1," + standby.Addr()))
	require.ErrorIs(t, err, store.ErrUnreachable)
	require.ErrorContains(t, err, standby.Addr()+": the server is read-only")
	require.NotContains(t, err.Error(), "\n")
}

func TestBothSchemesAndASocketOpenTheSameStore(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.MariaDB)
	p := newPlace(t, server)
	d := open(t, p.url(p.addr))
	defer func() { _ = d.Close() }()
	_, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "a"}})
	require.NoError(t, err)
	for _, rawURL := range []string{
		strings.Replace(p.url(p.addr), "mysql:", "mariadb:", 1),
		"mysql://root@/" + p.database + "?socket=" + url.QueryEscape(filepath.Join(server.Dir, "socket")),
	} {
		other := open(t, rawURL)
		snapshot, err := other.List(context.Background(), "a")
		require.NoError(t, err)
		require.Len(t, snapshot.Records, 1)
		require.NoError(t, other.Close())
	}
}

func TestTablesOfAnotherProgramAreLeftAlone(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Shared(t, servertest.MariaDB))
	run(t, handle(t, p.addr, p.database, nil), "CREATE TABLE muster_meta (theirs INTEGER)")
	_, err := tryOpen(p.url(p.addr))
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorContains(t, err, "choose another prefix")
}
