// Package storetest says whether a store.Driver keeps its contract, and disturbs drivers for the
// tests of what stands above them.
//
// A driver's whole test is one call of Run with a Harness, which opens clients of a store and, as
// far as the store can be got to do so, pulls levers from outside: expires a session, cuts or
// freezes a client, restarts or wipes the store. Each rule of the contract is one subtest; a
// failing one logs its rule. The table of all of them stands in checks.go.
//
// WithFaults wraps a driver so that, at run time, its calls hang (and ignore their context), fail,
// are lost on their way, lose their reply after the commit, come late or slowly, and its watches
// are cut or fall silent.
package storetest
