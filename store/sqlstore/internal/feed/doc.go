// Package feed stands between the one loop of a driver that looks for changes and its watches: it
// gives each watch a snapshot and then what the loop tells, or everything anew.
//
// An origin names the history of a store that an item or a snapshot belongs to: two with different
// origins can't be compared. What the loop tells never waits for a watch; one that falls far behind is
// told everything anew.
package feed
