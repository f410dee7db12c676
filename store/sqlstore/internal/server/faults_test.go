package server_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/store/sqlstore/internal/server"
)

func TestAnErrorThatMayComeAfterTheCommitLeavesTheOutcomeUnknown(t *testing.T) {
	for _, code := range []string{
		"57014", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "08006", "08P01", "58030", "XX000", "XX001",
	} {
		assert.True(t, server.Unknown(server.PostgreSQL, code), "PostgreSQL %s", code)
	}
	for _, code := range []string{"40001", "40P01", "55P03", "23505", "42501", "42P01", "25006", "53100", "53300", "22003", "28P01"} {
		assert.False(t, server.Unknown(server.PostgreSQL, code), "PostgreSQL %s", code)
	}
	for _, d := range []*server.Dialect{server.MariaDB, server.MySQL} {
		for _, code := range []string{
			"3", "1021", "1026", "1030", "1047", "1053", "1105", "1158", "1159", "1160", "1161", "1180", "1197", "1317", "1598",
			"1927", "1969", "3024", "3100", "3101", "3169", "4031", "9999",
		} {
			assert.True(t, server.Unknown(d, code), "%s %s", d.Name, code)
		}
		for _, code := range []string{"1020", "1040", "1045", "1142", "1146", "1153", "1205", "1213", "1226", "1290", "1792"} {
			assert.False(t, server.Unknown(d, code), "%s %s", d.Name, code)
		}
	}
}
