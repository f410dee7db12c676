// Package storetest disturbs store.Drivers for tests.
//
// WithFaults wraps a driver so that, at run time, its calls hang (and ignore their context), fail,
// are lost on their way, lose their reply after the commit, come late or slowly, and its watches
// are cut or fall silent.
package storetest
