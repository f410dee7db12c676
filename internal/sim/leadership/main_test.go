package leadership_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	oneAtATime()
	goleak.VerifyTestMain(m)
}
