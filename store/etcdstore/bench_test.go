package etcdstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
)

// A renewal on the stream that all share, beside the client's own way, which opens one for each.
func BenchmarkRenew(b *testing.B) {
	server := etcdtest.Start(b, etcdtest.Settings{})
	d := open(b, server.URL("muster"))
	defer func() { require.NoError(b, d.Close()) }()
	id, err := d.Grant(b.Context(), time.Minute)
	require.NoError(b, err)
	client := server.Client()
	b.Run("shared stream", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, d.Renew(b.Context(), id))
		}
	})
	b.Run("KeepAliveOnce", func(b *testing.B) {
		for b.Loop() {
			_, err := client.KeepAliveOnce(b.Context(), leaseID(b, id))
			require.NoError(b, err)
		}
	})
}
