// Package leadership is a flag that is raised in one process of a group at most, kept in an SQL
// database: the interface of a library of that name, on Muster's sqlstore, claimer and tracker.
//
//	flag, err := leadership.NewFlag().
//		Name("billing").
//		Process(hostname).
//		Handle(db).
//		Logger(slog.Default()).
//		Build(ctx)
//	…
//	defer flag.Close()
//	for … {
//		if flag.Raised() { … }
//	}
//
// # Differences from the original
//
// The logger is a *slog.Logger: the original's logging.Logger belongs to it. Fresh is an addition. All
// processes of a group use this package, and none the original: the two keep their state in other tables.
//
// # Vocabulary
//
// A flag is raised in the process that holds the claim of the flag's name. The claim's TTL is
// Interval × (1 + Jitter) + Timeout, but not below what the database's driver can keep
// (store.Limits.MinTTL): 37 s by default. It stands in the database with the claim, so processes
// whose settings differ are no danger to each other.
//
// # Promises
//
//   - Build makes sure that the settings and the handle are sound, for at most Timeout. It doesn't
//     wait for the flag to be raised: the first check begins at once, and Raised is false until it
//     was won. A database that doesn't answer is no error: the flag stays down, and is tried for
//     until Close, for ever. Settings that can't work, a handle that isn't of PostgreSQL, MariaDB or
//     MySQL, missing permissions at the start and an ended context are errors, and leave nothing behind.
//   - The claim is renewed several times during each Interval, at random moments (Jitter). Raised
//     takes no lock and asks nobody: it compares the time, on a clock that goes on during a suspend,
//     with the end of the claim, counted from before the latest renewal was sent, less a margin. So it
//     is never true beyond the claim, whatever hangs: the database, the network or the handle's driver.
//   - If the process ends without Close, another one's flag is raised after at most
//     store.Limits.WorstFailover of the TTL, its own checks aside: TTL × 1.01 and the driver's lag,
//     38 to 39 s by default. After Close it is raised within the driver's watch latency.
//   - Two processes with the same Process never share a claim: each has a random incarnation too.
//   - Close lowers first, then releases the claim, and waits for both, but not beyond 2 × Timeout and
//     some seconds: a claim that can't be released ends by its TTL. It may be called again, and from
//     several goroutines; each call returns when the flag is closed.
//   - After any outage the flag is raised in one process again. Nothing has to be restarted.
//   - A store in which nobody has ever led, or that was wiped or restored, has no leader until 1.5
//     TTLs (and 1 %) have passed: a living leader may not have heard yet. This is 56 s by default; it
//     is logged. See Fresh.
//
// What the flag lets a process begin it must also stop when the flag is lowered: the flag only tells.
// A frozen process can't see it. To guard work, and to have it stopped before another process leads, use
// tracker.Worker.RunWhileLeader; to protect what is written, the fences of claimer/fence.
//
// Each flag has a session and a poll of its own. For more than a few in a process use one claimer.Queue.
//
// # Tables
//
// The tables are sqlstore's; see sqlstore.Config for their names and how they are created.
package leadership
