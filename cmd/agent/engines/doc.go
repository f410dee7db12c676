// Package engines holds the tests that run the built agent on each kind of store, where nothing but
// the URL differs; package enginestest has the table of the stores, and what runs agents on them.
//
// Here leaders are killed, stores stopped, and connections frozen. Package commands tries every command
// of the agent, and package measure, by "make engines", measures how fast each store is.
package engines
