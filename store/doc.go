// Package store is the one contract that a coordination service must meet: sessions, records,
// watches.
package store
