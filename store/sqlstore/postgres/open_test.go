package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

func TestURLsThatCannotBeUsedAreRefusedWithTheMend(t *testing.T) {
	t.Parallel()
	for raw, mend := range map[string]string{
		"postgres:db":                                       "postgres://user@h1:5432,h2:5432/database",
		"postgres:///db":                                    "postgres://user@h1:5432,h2:5432/database",
		"postgres://u:secret@h":                             "names no database",
		"postgres://u:secret@h/db/muster":                   "?prefix=",
		"postgres://u:secret@h/db?prefx=a":                  "did you mean prefix?",
		"postgres://u:secret@h/db?search_path=a":            "unknown parameter",
		"postgres://u:secret@h/db?prefix=a&prefix=b":        "twice",
		"postgres://u:secret@h/db?prefix=":                  "without a value",
		"postgres://u:secret@h/db?prefix=A-b":               "small letters",
		"postgres://u:secret@h/db?schema=1":                 "small letters",
		"postgres://u:secret@h/db?no_ddl=maybe":             "true or false",
		"postgres://u:secret@h/db?sslmode=maybe":            "sslmode",
		"postgres://u:secret@h/db?target_session_attrs=any": "leave it out",
		"postgres://u:secret@h/db#x":                        "is not like",
	} {
		_, err := tryOpen(raw)
		require.ErrorIs(t, err, store.ErrInvalid, raw)
		assert.ErrorContains(t, err, mend, raw)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "\n")
	}
}

// refused opens what must be refused, and gives the reason.
func refused(t testing.TB, rawURL string, class error, says ...string) {
	t.Helper()
	_, err := tryOpen(rawURL)
	require.ErrorIs(t, err, class)
	for _, words := range says {
		assert.ErrorContains(t, err, words)
	}
	assert.NotContains(t, err.Error(), "secret")
	assert.NotContains(t, err.Error(), "\n")
}

func TestWhoMayNotIsRefusedWithTheMend(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.PostgreSQL)
	p, db := newPlace(server), admin(t, server.Addr())
	role := p.schema
	for _, statement := range []string{
		`CREATE ROLE %[1]s LOGIN PASSWORD 'secret'`, `CREATE SCHEMA %[1]s`, `GRANT USAGE ON SCHEMA %[1]s TO %[1]s`,
	} {
		_, err := db.Exec(fmt.Sprintf(statement, role))
		require.NoError(t, err)
	}
	url := fmt.Sprintf("postgres://%s:secret@%s/postgres?sslmode=disable&schema=%s", role, p.addr, p.schema)
	refused(t, url, store.ErrUnauthorized, "may not make them", "agent store schema")
	refused(t, url+"&no_ddl=true", store.ErrInvalid, "are missing", "no_ddl")

	owner := open(t, p.url(p.addr))
	refused(t, url, store.ErrUnauthorized, "check the user")
	grants := fmt.Sprintf(`GRANT SELECT ON ALL TABLES IN SCHEMA %[1]s TO %[1]s`, role)
	_, err := db.Exec(grants)
	require.NoError(t, err)
	refused(t, url, store.ErrUnauthorized, "GRANT SELECT, INSERT, UPDATE, DELETE", role)
	_, err = db.Exec(fmt.Sprintf(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO %[1]s`, role))
	require.NoError(t, err)
	d := open(t, url+"&no_ddl=true")
	works(t, d)
	require.NoError(t, d.Close())
	require.NoError(t, owner.Close())
}

// works checks that a driver can do everything.
func works(t testing.TB, d store.Driver) {
	t.Helper()
	ctx := context.Background()
	id, err := d.Grant(ctx, time.Minute)
	require.NoError(t, err)
	outcomes, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "works", Session: id}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	require.NoError(t, d.Renew(ctx, id))
	require.NoError(t, d.Revoke(ctx, id))
	snapshot, err := d.List(ctx, "works")
	require.NoError(t, err)
	require.Empty(t, snapshot.Records)
}

func TestAWrongPasswordOrDatabaseIsRefusedWithTheMend(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, withPasswords())
	_, err := admin(t, server.Addr()).Exec(`CREATE ROLE agent LOGIN SUPERUSER PASSWORD 'secret'`)
	require.NoError(t, err)
	refused(t, "postgres://agent:secret2@"+server.Addr()+"/postgres?sslmode=disable", store.ErrUnauthorized, "check the user, the password", `"agent"`)
	refused(t, "postgres://nobody:secret@"+server.Addr()+"/postgres?sslmode=disable", store.ErrUnauthorized, `"nobody"`)
	refused(t, "postgres://agent:secret@"+server.Addr()+"/nowhere?sslmode=disable", store.ErrInvalid, "create the database")
	d := open(t, "postgres://agent:secret@"+server.Addr()+"/postgres?sslmode=disable")
	works(t, d)
	require.NoError(t, d.Close())
}

func TestTLSIsSpokenAndItsCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	kind, certificate := withTLS(t)
	server := servertest.Start(t, kind)
	url := "postgres://postgres@" + server.Addr() + "/postgres?sslmode="
	d := open(t, url+"verify-full&sslrootcert="+certificate)
	works(t, d)
	require.NoError(t, d.Close())
	_, err := tryOpen(url + "verify-full")
	require.ErrorIs(t, err, store.ErrUnreachable, "signed by nobody that the system trusts")
	assert.ErrorContains(t, err, "certificate")
	refused(t, url+"disable", store.ErrUnauthorized, "pg_hba.conf")
}

func TestAServerThatCannotBeReachedIsNoPermanentReason(t *testing.T) {
	t.Parallel()
	addrs, err := servertest.FreePorts(1)
	require.NoError(t, err)
	_, err = tryOpen("postgres://u:secret@" + addrs[0] + "/db?sslmode=disable")
	require.ErrorIs(t, err, store.ErrUnreachable)
	assert.NotErrorIs(t, err, store.ErrInvalid)
	assert.NotErrorIs(t, err, store.ErrUnauthorized)
	assert.NotContains(t, err.Error(), "\n")
	assert.NotContains(t, err.Error(), "secret")

	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	require.NoError(t, err)
	defer func() { _ = silent.Close() }()
	start := time.Now()
	_, err = tryOpen("postgres://u:secret@" + silent.Addr().String() + "/db?sslmode=disable")
	require.ErrorIs(t, err, store.ErrUnreachable)
	assert.Less(t, time.Since(start), 30*time.Second)
}

func TestAServerThatForgetsWhatItSaidWasDoneIsRefused(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.PostgreSQL)
	p, db := newPlace(server), admin(t, server.Addr())
	_, err := db.Exec(fmt.Sprintf(`CREATE ROLE %[1]s LOGIN SUPERUSER; ALTER ROLE %[1]s SET synchronous_commit = off`, p.schema))
	require.NoError(t, err)
	url := fmt.Sprintf("postgres://%s@%s/postgres?sslmode=disable&schema=%s", p.schema, p.addr, p.schema)
	refused(t, url, store.ErrInvalid, "synchronous_commit", "ALTER ROLE")
	_, err = db.Exec(fmt.Sprintf(`ALTER ROLE %s RESET synchronous_commit`, p.schema))
	require.NoError(t, err)
	require.NoError(t, open(t, url).Close())
}

func TestTablesOfOthersAndOfNewerVersionsAreRefused(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.PostgreSQL)
	p, db := newPlace(server), admin(t, server.Addr())
	_, err := db.Exec(fmt.Sprintf(`CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.muster_meta (title TEXT)`, p.schema))
	require.NoError(t, err)
	refused(t, p.url(p.addr), store.ErrInvalid, "another prefix")
	d := open(t, p.url(p.addr, "prefix=other_"))
	works(t, d)
	require.NoError(t, d.Close())
	_, err = db.Exec(fmt.Sprintf(`UPDATE %s.other_meta SET schema = 99`, p.schema))
	require.NoError(t, err)
	refused(t, p.url(p.addr, "prefix=other_"), store.ErrInvalid, "upgrade this one")
}

func TestManyThatMakeTheTablesAtOnceMakeOneStore(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	const n = 20
	drivers, errs := make(chan store.Driver, n), make(chan error, n)
	for range n {
		go func() {
			d, err := tryOpen(p.url(p.addr))
			if err != nil {
				errs <- err
				return
			}
			drivers <- d
		}()
	}
	var all []store.Driver
	for range n {
		select {
		case d := <-drivers:
			all = append(all, d)
		case err := <-errs:
			assert.NoError(t, err)
		}
	}
	for i, d := range all {
		outcomes, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: fmt.Sprintf("k%d", i)}})
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Err)
		require.Equal(t, uint64(i+1), outcomes[0].Rev)
	}
	for _, d := range all {
		require.NoError(t, d.Close())
	}
}

func TestTheTablesThatSomebodyElseMadeWillDo(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	statements, err := sqlstore.Schema(sqlstore.Config{Schema: p.schema, Prefix: "ops_"})
	require.NoError(t, err)
	for range 2 { // a second time changes nothing
		_, err = admin(t, p.addr).Exec(statements)
		require.NoError(t, err)
	}
	d := open(t, p.url(p.addr, "no_ddl=true", "prefix=ops_"))
	works(t, d)
	require.NoError(t, d.Close())
}

func TestAHandleOfTheCallersWillDoAndStaysOpen(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	db := admin(t, p.addr)
	for _, dialect := range []sqlstore.Dialect{"", sqlstore.PostgreSQL} {
		d, err := sqlstore.New(context.Background(), db, sqlstore.Config{Dialect: dialect, Schema: p.schema})
		require.NoError(t, err)
		works(t, d)
		w := watch(t, d, "a/")
		create(t, d, "a/x"+string(dialect), "")
		w.wait(t, store.EventPut)
		require.NoError(t, d.Close())
	}
	require.NoError(t, db.Ping())
	_, err := sqlstore.New(context.Background(), nil, sqlstore.Config{})
	require.ErrorIs(t, err, store.ErrInvalid)
	_, err = sqlstore.New(context.Background(), db, sqlstore.Config{Dialect: "oracle"})
	require.ErrorIs(t, err, store.ErrInvalid)
	lite, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer func() { _ = lite.Close() }()
	_, err = sqlstore.New(context.Background(), lite, sqlstore.Config{})
	require.ErrorIs(t, err, store.ErrInvalid)
	assert.ErrorContains(t, err, "sqlstore.SQLite")
}
