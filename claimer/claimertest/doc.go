// Package claimertest is the conformance kit for any claimer.Claimer: this module's own, or a
// user's. A test of a Claimer is one call of Run with a Harness; see its example.
//
// Vocabulary: a view is what Harness.Open gives, a Claimer of one process onto the service that all
// views share; a rival is a candidate for a name that another holds; a claim is in force from the
// return of the Claim that granted it until d after the moment at which that Claim was called; a
// lever is an optional function of the Harness that breaks something.
//
// Each check is a rule, written as a sentence; a check fails for one of two reasons:
//
//   - The rule was surely broken: instants are read on the Harness's Clock so that a slow machine
//     can't make a right Claimer look wrong (a rival's grant is timed after its return, a claim's
//     start before its call). One such observation fails the check.
//   - Something did not come in time ("at once", "within WorstFailover", ever), or the machine
//     stalled so long that nothing could be seen. That proves nothing by itself, so the check begins
//     anew, with no other check beside it; it fails when it happens in every one of five rounds.
//
// Checks for which the Harness has no lever, or the Claimer isn't a claimer.Keeper, are skipped and
// say so. Every check uses names of its own, different at each run, so a service may keep what
// earlier runs left behind.
//
// Checks share a few views, as the elections of a process share its Claimer, except for those that
// the levers act on.
//
// In real time Run has several checks under way at a time. With fake time either set Advance, or
// run each check in a testing/synctest bubble of its own, with a service of its own (t.Run is
// forbidden in a bubble): see the example of Checks.
package claimertest
