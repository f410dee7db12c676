// Package httpfence has the handlers of an HTTP service refuse stale tokens.
//
// # Vocabulary
//
// A client that holds a claim sends the election's name and the claim's token with each request
// (Set), in the headers Muster-Election and Muster-Token. The service's handlers stand behind a
// Fence, which keeps the greatest token that it has seen in a Maximum: a file (OpenFile), or what
// the service writes itself.
//
// # Promises
//
//   - A request with a greater token than any before raises the fence: the maximum is kept, for good,
//     before any such request is let through.
//   - From then on requests with smaller tokens are refused: 412, with the fence in Muster-Token.
//     Those that are under way are told so, by the end of their context (its cause is a
//     *fence.StaleError); those with the greater token wait until their handlers have returned. So
//     no handler works for a smaller token after one has begun to work for a greater one. Requests
//     with the same token run side by side.
//   - Without a token a request is refused with 428, with a malformed one or another election's with
//     400, and with 503 if the maximum can't be kept or the request ends before its turn: then no
//     handler was called.
//
// # What it won't do
//
// It believes what the headers say: authenticate clients first, or anybody shuts the others out with
// a great token. One Fence protects what one process does; several processes over one database need
// the fence in the database (sqlfence). What a handler leaves running after its return isn't
// protected.
package httpfence
