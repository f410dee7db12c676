// Package stamptest checks that guarded commands of several agents never lived at the same time.
//
// Command is such a command: a test binary runs it when its first argument is Word. In a folder that
// all commands of a test share it notes when it began, which of the others lived then, and every
// millisecond that it lives, on the boot-time clock that all processes of a machine share. Lives
// reads the notes, and Verify checks them: no life overlaps another, and tokens rise.
//
// It looks into /proc, so on other systems than Linux nothing is ever seen alive.
// Only tests may import it (internal/imports).
package stamptest
