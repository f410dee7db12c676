package zkstore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/zkstore"
)

func TestURLsThatAreRefused(t *testing.T) {
	openers := store.Openers{"zk": zkstore.Open, "exhibitor": zkstore.OpenExhibitor}
	for rawURL, want := range map[string]string{
		"zk:///root":                      "names no host: want one like zk://h1:2181,h2:2181/root",
		"exhibitor:///root":               "names no host: want one like exhibitor://h:8080/root",
		"zk://h1,,h2/root":                `has a host "" that can't be read`,
		"zk:h1/root":                      "is not like zk://h1:2181,h2:2181/root",
		"zk://h/a//b":                     "has an empty part in its root",
		"zk://h/a/../b":                   `has the part ".." in its root`,
		"zk://h/zookeeper":                "which is ZooKeeper's own",
		"zk://h/a%01b":                    "has a character in its root",
		"zk://h/root?readible=true":       "did you mean readable? known are password-file, readable and fresh",
		"zk://h/root?poll=1s":             `has an unknown parameter "poll"`,
		"exhibitor://h/root?poll=soon":    "has poll=soon: give it a time",
		"exhibitor://h/root?poll=-1s":     "has poll=-1s",
		"zk://h/root?readable=maybe":      "has readable=maybe: give it true or false",
		"zk://h/root?readable=true":       "without one, everybody may write too",
		"zk://u:p@h/root?readable=":       "has the parameter readable without a value",
		"zk://u@h/root":                   "has a user without a password: add ?password-file=FILE",
		"zk://h/root?password-file=x":     "has a password but no user",
		"zk://u:p@h/root?password-file=x": "has a password and a password file: leave one out",
		"zk://u@h/root?password-file=/no": "give the path of a file that can be read",
	} {
		_, err := openers.OpenDriver(t.Context(), rawURL, bootclock.Clock)
		require.ErrorIs(t, err, store.ErrInvalid, rawURL)
		assert.ErrorContains(t, err, want, rawURL)
	}
}
