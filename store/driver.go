package store

import (
	"cmp"
	"context"
	"time"
)

// Driver is what a coordination service must offer. Everything clever stands above it, once, in
// this package; storetest holds its conformance kit.
//
// All methods may be called from many goroutines at once. A driver should honour its contexts, but
// nothing that decides leadership relies on it: the callers abandon a call that doesn't return.
//
// Keys are made of segments joined by "/", each escaped with Escape; a driver puts them below the
// prefix of its URL. Where a method takes a prefix, one that ends in "/" (or is empty) means every
// key below it, and any other means that one key exactly; so no name can match another's prefix.
//
// A driver reports an outcome that it knows with the constants of this package (ErrConflict,
// ErrSessionGone, ErrUnreachable, …); any other error of a write means that the outcome is unknown.
type Driver interface {
	// Limits are the service's; constant for the life of the driver.
	Limits() Limits

	// Proof reports, with true at most once for each creation of the store, that the caller may
	// trust that no living process holds anything from before that creation (see R5 in the
	// package's documentation). A driver that can't know answers false.
	Proof(ctx context.Context) (bool, error)

	// Grant starts a session. The service ends it, and deletes every record that it owns, when it
	// wasn't renewed for ttl; never before ttl has passed since Grant or the latest Renew took
	// effect there, except by Revoke.
	Grant(ctx context.Context, ttl time.Duration) (SessionID, error)
	// Renew starts the session's ttl anew. ErrSessionGone means that it surely doesn't exist.
	Renew(ctx context.Context, id SessionID) error
	// Revoke ends a session now and deletes what it owns. One that is gone already is no error.
	Revoke(ctx context.Context, id SessionID) error
	// Owned lists the records that the session owns, in any order: a linearizable read. A session
	// that is gone owns nothing; that is no error.
	Owned(ctx context.Context, id SessionID) ([]Record, error)

	// Apply does independent conditional writes on distinct keys in as few round trips as the
	// service allows. Outcomes stand in the order of the writes. An error instead of outcomes
	// says of every write what its class says: refused, or unknown.
	Apply(ctx context.Context, writes []Write) ([]Outcome, error)

	// List reads every record of a prefix at one revision, ordered by (CreateRev, Key): a
	// linearizable read. A prefix without records is an empty snapshot.
	List(ctx context.Context, prefix string) (Snapshot, error)

	// Watch calls emit, one call at a time, first with a complete snapshot (EventSnapshot), then
	// with what changes. It subscribes before it reads, so nothing falls between the two. Deltas
	// come in the order of their revisions and may skip intermediate values. After a compaction, a
	// disconnect that lost events, revisions that run backwards or a restored store it goes on by
	// itself with EventReset, a new complete snapshot. While the service can't be reached it emits
	// EventStale once, and EventCurrent (or a snapshot or delta) when it is back.
	//
	// Watch returns only when ctx is done, the driver is closed (ErrClosed), or the watch can never
	// succeed (ErrInvalid, ErrUnauthorized). A watch of something that doesn't change makes no
	// requests beyond the driver's poll, which all watches of one driver share.
	Watch(ctx context.Context, prefix string, emit func(Event)) error

	// Close ends all calls and watches and frees what the driver opened. It does not revoke
	// sessions. Closing twice is harmless.
	Close() error
}

// PairLister is a Driver that can read two prefixes in one round trip, at one revision. The store
// then decides on leadership with one request instead of two. Drivers without it are asked for one
// prefix after the other.
type PairLister interface {
	// ListPair is List of both prefixes, the second not older than the first.
	ListPair(ctx context.Context, first, second string) (Snapshot, Snapshot, error)
}

// SessionID names a session in its service. The empty one means none.
type SessionID string

// Record is a key and its value at a revision. Revisions order commits: of two writes, the one
// with the greater revision was committed later.
type Record struct {
	Key       string
	Value     []byte
	CreateRev uint64    // of the write that created it; a key that is deleted and created again gets a new one
	ModRev    uint64    // of the write that gave it this value
	Session   SessionID // the owner; empty: the record is durable
}

// WriteKind says what a Write does and on which condition.
type WriteKind int

// The kinds of writes.
const (
	Create WriteKind = iota + 1 // if the key is absent
	Update                      // if the record's ModRev is If
	Delete                      // if the record's ModRev is If
)

// Write is one conditional write.
type Write struct {
	Kind  WriteKind
	Key   string
	If    uint64 // Update, Delete: the ModRev that the record must have
	Value []byte // Create, Update
	// Session is, for Create and Update, the owner from now on; empty: durable. Where a session is a
	// connection, a driver refuses, with ErrInvalid, to give a record to one that it wasn't granted
	// itself, and to renew such a one; a record that it owns already can be updated through any driver.
	Session SessionID
}

// Outcome is what became of one Write. Err is nil, or of class refused (ErrConflict), gone
// (ErrSessionGone: the owner that Create or Update named doesn't exist), or unknown.
type Outcome struct {
	Rev uint64 // of the commit, when Err is nil
	Err error
}

// Snapshot is every record of a prefix at one revision of the store.
type Snapshot struct {
	Records []Record // ordered by (CreateRev, Key)
	Rev     uint64   // of the newest commit in the store that the read saw, whatever its key; at least every ModRev
}

// EventKind says what an Event tells.
type EventKind int

// The kinds of events.
const (
	EventSnapshot EventKind = iota + 1 // Records is everything: the first event of each watch
	EventReset                         // Records is everything, after a gap: earlier events may have been missed
	EventPut                           // Record was created or changed
	EventDelete                        // Record (its last known state, at least Key) was deleted, by commit Rev
	EventStale                         // what was told so far may be out of date, because of Err
	EventCurrent                       // what was told so far is up to date again, with nothing missed
)

// Event is one step of a watch. Its slices are the receiver's to keep, not to change.
type Event struct {
	Kind    EventKind
	Records []Record // EventSnapshot, EventReset; ordered by (CreateRev, Key)
	Record  Record   // EventPut, EventDelete
	Rev     uint64   // the revision up to which the watch has now told everything
	Err     error    // EventStale: why
	// Since is, on the driver's clock, for EventStale when the watch last knew that it was up to date,
	// and for EventSnapshot and EventReset a moment before what they show was asked for: what was
	// known by then, they must show.
	Since time.Time
}

// CompareRecords orders records as List does: by (CreateRev, Key), the order of R9.
func CompareRecords(a, b Record) int {
	return cmp.Or(cmp.Compare(a.CreateRev, b.CreateRev), cmp.Compare(a.Key, b.Key))
}
