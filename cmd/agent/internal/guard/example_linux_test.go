package guard_test

import (
	"fmt"
	"os"
	"time"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/bootclock"
)

// A command that nobody grants more time ends with its grace before the deadline. (The program's
// main has called guard.Main, as TestMain does here.)
func Example() {
	cmd, err := guard.Start(guard.Config{
		Argv:     []string{"/bin/sh", "-c", `echo working; trap 'echo cleaning up; exit 3' TERM; while :; do sleep 0.02; done`},
		Stdout:   os.Stdout,
		Grace:    500 * time.Millisecond,
		Deadline: bootclock.Clock.Now().Add(2 * time.Second),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-cmd.Done()
	fmt.Printf("%+v\n", cmd.Exit())
	// Output:
	// working
	// cleaning up
	// {Code:3 Signal:signal 0 ByDeadline:true GuardianLost:false}
}
