// Package enginestest has the table of the kinds of stores that the agent works on, with real servers
// behind them, and runs the built agent on each.
//
// An Engine is a row of the table. Its Start gives a Store: servers of the test's own, which can be
// stopped and started. A Line is one agent's connection with the store, which can be frozen. Agents
// of a Lab share a store and a folder.
//
// A package that uses it calls Main in its TestMain.
package enginestest
