// Package guard runs a command that is surely dead by a deadline, also if the agent that started
// it is frozen or killed.
//
// # Vocabulary
//
// The agent is the process that calls Start. The command is the program that it wants run, with
// all that descends from it. The guardian is a small process between the two: the agent's own
// program, started again with Arg as its first word, which is why main calls Main first of all.
// A deadline is a moment of boot time (package bootclock); the agent moves it on with Extend.
// The grace is the time from SIGTERM to SIGKILL, the margin the time from SIGKILL to the deadline:
// half the grace, at least 20 ms and at most 100 ms.
//
// # Promises
//
// On Linux, for every process that the command or its descendants ever start, also those that
// leave the process group, the session or their parent:
//
//  1. They get SIGTERM and SIGCONT a grace before the deadline, and SIGKILL a margin before it,
//     on the kernel's boot-time clock, which goes on during a suspend. Once begun, a stop is never
//     called off by a later Extend. (SIGTERM goes to the process group; what has left the group
//     gets it once the command itself has ended.)
//  2. That holds while the agent is frozen (SIGSTOP, a debugger, swapping): the guardian acts alone.
//     It holds while the guardian is frozen: the agent acts in its stead, and counts only deadlines
//     that the guardian has acknowledged. It doesn't hold while both are frozen, nor for a process in
//     an uninterruptible system call: there only a fencing token protects.
//  3. The agent's death, however violent, stops the command at once: SIGTERM, and SIGKILL after the
//     grace or before the last deadline, whichever comes first.
//  4. The guardian's death kills the command at once, and the agent kills what it left behind. (Only
//     if both are killed in one moment does what the command itself started live on.)
//  5. When the command ends by itself, what it left running is stopped in the same way.
//  6. Done is closed only after all of them are gone; no zombie, pipe or folder is left.
//
// What the command asks others to start (a container engine, systemd, cron) does not descend from
// it and isn't stopped. Where a cgroup of version 2 can be made for the command, one write kills all
// in it; elsewhere its processes are looked for by their descent again and again until none is left,
// which may take long with one that leaves its group and forks without end, and an agent that isn't
// root can't kill what has become another user.
//
// The command's standard files are the very files of Config, not copies; it has no other files, its
// own process group, no controlling terminal, and every signal at its default. The guardian writes
// to none of them. It takes no notice of signals (a Ctrl-C, a closed terminal): only the agent and
// the deadline tell it what to do. No shell is involved anywhere.
//
// The agent becomes a child subreaper (see prctl(2)) at the first Start, so as to find what a dead
// guardian left behind: its children in other sessions than its own that it didn't have before the
// first Start. A program that starts such children by itself must not use this package.
//
// # Elsewhere than on Linux
//
// On other Unix systems the agent starts the command itself and keeps the deadline itself: see
// Protection. On Windows Start returns an error.
package guard
