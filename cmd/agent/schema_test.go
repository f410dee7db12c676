package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheStatementsThatMakeTheTablesArePrintedWithoutAskingAnybody(t *testing.T) {
	l := newLab(t)
	p := l.run("store", "schema", "--store", "postgres://agent:secret@h1:5432,h2/db?prefix=ops_&schema=infra")
	assert.Equal(t, 0, p.Wait())
	assert.Contains(t, p.stdout.String(), `CREATE TABLE IF NOT EXISTS "infra"."ops_records"`)
	p = l.run("store", "schema", "--store", "mysql://agent:secret@h/db")
	assert.Equal(t, 0, p.Wait())
	assert.Contains(t, p.stdout.String(), "CREATE TABLE IF NOT EXISTS `muster_records`")
	for store, mend := range map[string]string{
		"etcd://h/x": "needs no tables",
		"postgres://agent:secret@h/db?prefix=A-b":    "small letters",
		"postgres://agent:secret@h/db?prefix=%zz":    "can't be read",
		"postgras://agent:secret@h/db?prefix=muster": "did you mean postgres?",
	} {
		p := l.run("store", "schema", "--store", store)
		assert.Equal(t, 78, p.Wait(), store)
		assert.Contains(t, p.stderr.String(), mend)
		assert.NotContains(t, p.stderr.String(), "secret")
		assert.Empty(t, p.stdout.String())
	}
	assert.NoDirExists(t, l.state)
}
