package servertest_test

import (
	"testing"

	"github.com/muster-go/muster/internal/servertest"
)

func TestMain(m *testing.M) { servertest.VerifyTestMain(m) }
