// Package mutants sabotages this module on purpose, one small way after another, and sees that its
// tests fail each time: the tests of what nobody may break are themselves tested so.
//
// A Mutant is one sabotage: in a file an old text becomes a new one. It names the test that must
// catch it. The mutated file is given to the go command as an overlay, so the checkout is never
// touched and several mutants can be tried at a time.
//
// A mutant counts as caught only if its own test passes without it and fails with it. One that
// doesn't compile, or has the test hang, is an error of the table.
//
// What a sabotaged test leaves running, in whatever session, is killed as its trial ends (on Linux): it
// has a variable in its environment that only the processes of this trial have.
//
// "make mutants" tries them all and writes docs/mutants.md. The tests of this package try none: they
// check that the table fits the code.
package mutants
