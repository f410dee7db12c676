// Package running is `agent run`: it stands for an election, and runs a command, under a guardian,
// for as long as it leads.
//
// A term goes: lead, take a hold on the claim, start the command under its guardian, push the
// hold's deadline to the guardian as it moves on; then, whatever ended it (the command, a lost
// leadership, a request to resign, a signal), wait until the command has stopped, and only then
// let go of the hold, so that no other candidate can lead before. The guardian stops the command
// in time even if this process is frozen.
package running
