// Package etcdfence has keys in etcd refuse stale tokens.
//
// # Vocabulary
//
// A fence key holds the greatest token that was seen, in twenty decimal digits, so that etcd's order
// of values is that of the tokens. It stands beside what it protects: "jobs/nightly/fence" beside
// "jobs/nightly/state".
//
// # Promises
//
//   - Do applies what is asked in one transaction of etcd's, with the condition that the fence isn't
//     above the token, and has the token become the fence. A missing fence key counts as 0.
//   - *fence.StaleError means that nothing was applied, ever: Do sends nothing twice. Any other error,
//     fence.ErrInvalid aside, says nothing about the outcome: it may have been applied, or may be yet.
//   - Do without operations raises the fence, and GetFenced reads what it protects at one revision
//     with it.
//
// # What it won't do
//
// It keeps nobody else from writing the keys: give others no permission to. It goes to the client's
// connection, past a namespace that was put into its KV: keys are whole. Deleting a fence key makes
// every token good again.
package etcdfence
