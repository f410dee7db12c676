// Package news tells people, on changes only, what becomes of an election in which this agent
// stands: for whom or what it waits, and when the store can't be reached.
package news
