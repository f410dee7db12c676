package exit_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/store"
)

func TestEachErrorHasItsCodeAndItsLine(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		line string
	}{
		{nil, 0, ""},
		{exit.Silent(0), 0, ""},
		{exit.Silent(7), 7, ""},
		{exit.BySignal(syscall.SIGTERM), 143, ""},
		{fmt.Errorf("store x: %w", exit.Errorf(exit.Usage, "unknown %s", "word")), 64, "store x: unknown word"},
		{exit.Errorf(exit.Value, "bad: %w", store.ErrUnauthorized), 78, "bad"},
		{fmt.Errorf("name is empty: %w", store.ErrInvalid), 78, "name is empty"},
		{fmt.Errorf("no: %w", store.ErrUnauthorized), 77, "no"},
		{fmt.Errorf("far: %w", store.ErrUnreachable), 69, "far"},
		{fmt.Errorf("late: %w", context.DeadlineExceeded), 69, "late: context deadline exceeded"},
		{errors.New("two\nlines"), 70, "two lines"},
	} {
		assert.Equal(t, tt.code, exit.Code(tt.err), "%v", tt.err)
		assert.Equal(t, tt.line, exit.Message(tt.err), "%v", tt.err)
	}
}
