// Package command is what `agent run` and `agent serve` have in common: a command that runs, under a
// guardian, for the time of one leadership.
//
// The guardian (package guard) stops the command before its deadline; who starts a command here
// need not push the deadline on.
package command
