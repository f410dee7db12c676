package etcdtest_test

import (
	"testing"

	"github.com/muster-go/muster/internal/etcdtest"
)

func TestMain(m *testing.M) { etcdtest.VerifyTestMain(m) }
