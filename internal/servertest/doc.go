// Package servertest runs real servers for tests: PostgreSQL, MariaDB, ZooKeeper, Consul.
//
// A Kind says how one is started; what the machine must have for it is installed by "make servers"
// and by nothing else. Where that is missing the test is skipped, with a line that says so, and fails
// if MUSTER_REQUIRE_SERVERS=1 is set.
//
// Shared gives the package's one server of a kind, which is started when the first test asks and
// stopped by VerifyTestMain: for tests that keep to a prefix, a database or a name of their own.
// Start gives a server of the test's own, for those that stop, freeze or wipe it; it ends with the
// test. Each has a free port on loopback, a data folder of its own, which goes with it, and runs as an
// ordinary user where it must. A server dies with the process that started it.
//
// A Proxy stands between clients and any server and makes a black hole of the network, or cuts
// connections. FreePorts finds ports.
//
// Only tests may import this package (internal/imports).
package servertest
