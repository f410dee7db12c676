// Package cli is the command line of the agent: its words, its values, and what each command
// prints.
//
// A command checks in this order, and nothing is left in the store when it refuses: its words (an
// unknown flag, a missing argument: exit code 64), its values (78), that the command to run exists
// (127), and only then the store (69, 77, 78). Whatever goes wrong is told in one line on stderr
// that begins with "agent: ".
package cli
