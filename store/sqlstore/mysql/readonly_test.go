package mysql_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// An administrator may write on a server that was set to read only, as one is that another takes over
// from: there, nobody who ends sessions would hear of the renewals.
func TestAServerThatIsSetToReadOnlyRenewsNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servertest.Start(t, servertest.MariaDB))
	d := open(t, p.url(p.addr))
	defer func() { _ = d.Close() }()
	id, err := d.Grant(context.Background(), time.Hour)
	require.NoError(t, err)
	require.NoError(t, d.Renew(context.Background(), id))
	admin := handle(t, p.addr, "", nil)
	run(t, admin, "SET GLOBAL read_only = 1")
	err = d.Renew(context.Background(), id)
	require.ErrorContains(t, err, "name the one that writes")
	require.NotErrorIs(t, err, store.ErrGone, "nobody ended it")
	_, err = d.Grant(context.Background(), time.Hour)
	require.ErrorContains(t, err, "name the one that writes")
	run(t, admin, "SET GLOBAL read_only = 0")
	require.NoError(t, d.Renew(context.Background(), id))
	require.NoError(t, d.Revoke(context.Background(), id))
	require.ErrorIs(t, d.Renew(context.Background(), id), store.ErrSessionGone)
}
