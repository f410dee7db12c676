package rest

import (
	"log/slog"
	"testing"

	"github.com/muster-go/muster/internal/etcdtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	etcdtest.VerifyTestMain(m)
}
