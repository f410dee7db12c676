// Package store is the one contract that a coordination service must meet: sessions, records,
// watches. A Driver offers it for one service; a Store adds, once for all drivers, what decides
// leadership: a session's local deadline, its one renewal for everything, and the store's era.
//
// # Vocabulary
//
// A session has a TTL and is renewed; the service drops it, and the records that it owns, when it
// isn't. A record is a key, a value and two revisions; it is owned by a session or durable. The
// order of revisions is the order of commits. A watch tells a snapshot of a prefix and then what
// changes. A lease is one grant of a session to this process. An era is the time during which the
// store has kept what was written to it; a wipe or a restore begins a new one. A token is the era's
// floor plus the revision at which a holder's record was created.
//
// # Promises
//
// R1, local deadline. A lease is valid until sent + TTL × (1 − Drift) − Margin, where sent is read
// before the grant or renewal leaves. A passed deadline latches: an answer that comes later revives
// nothing. The deadline is checked by a timer and against Now at each use. No call of a driver is
// waited for on a path that lowers: a driver may hang for ever and ignore its contexts.
//
// R2, suspend. The default clock counts the time that the machine slept, with a window of 5 ms
// after a resume that the margin covers. The pause of a virtual machine or of a container can be
// covered by no clock: there only a fencing token protects.
//
// R3, one session for all. Store.Session gives the same session for the same TTL. It is renewed
// every 0.15 TTL, once for all users, and granted anew for ever, with jittered backoff, after it was
// lost. A lost session is revoked until it is known gone, but not before the guarded work that
// holds it has stopped and what was promised of it (Lease.Extend) has passed.
//
// R4, no ghosts. A create that was given up may commit later. A lease lists what its session owns,
// at each renewal for two TTLs after a doubt arose and at every tenth otherwise, and deletes each
// record that nobody in this process stands behind.
//
// R5, era. The record "root/era" names a random era and its floor of tokens. The longest TTLs in
// use, and that the era is of age, stand in marks below "root/<era>/", which are created and never changed:
// a late write of an era that is over changes nothing. A process that sees the record gone, the era
// changed or revisions run backwards loses its leases at once, and where they ran backwards begins a
// new era. It watches the record, and reads it at every decision and at every fourth renewal; a lease
// ends 1.5 TTL, less drift and margin, after the latest read that showed its era was sent, for a watch
// may be silent while a restored store goes on renewing a session. So in an era younger than 1.5 of
// the longest TTL, of those that this process saw in use before, too, nobody leads, for a living
// holder may not have heard yet; except where the driver proves that none can be alive, or
// Config.Fresh says so. A process that remembers greater tokens than the era has reached begins a new
// era, with a greater floor. Who has never read the era since before the state that a store is
// restored to can't tell that it was restored, and may lead at once; nor can who reaches the store
// only when later commits have made up for the revisions that were lost.
//
// # Errors
//
// Each error of a write is refused (nothing happened), gone (it was yours and isn't) or unknown (it
// may have happened, or may yet); see Error.
//
// # What it won't do
//
// It doesn't lock or elect: see packages claimer and tracker. It registers no
// drivers: a program names those that it links in a map, Openers.
package store
