package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/muster-go/muster/internal/chance"
)

// rootPrefix is where the records of the era stand. root/era names it. What is found out about an era
// later stands in marks that carry its name and are only ever created: root/<era>/settled, and
// root/<era>/ttl/<nanoseconds> for the longest TTLs. For a write that was given up may commit late, in
// a store that was wiped meanwhile, where revisions begin anew and may match its condition: a late
// mark of another era means nothing, and a late era is a young one.
const (
	rootPrefix = "root/"
	rootKey    = rootPrefix + "era"
)

// rootRecord is what R5 knows of an era: the time during which the store has surely kept what was
// written.
type rootRecord struct {
	Era   string `json:"era"`   // random
	Floor uint64 `json:"floor"` // tokens are Floor + revision
	// After is the era before, if this one only raised its floor: then the records are still there.
	After string `json:"after,omitempty"`

	TTL     time.Duration `json:"-"` // the longest in use
	Settled bool          `json:"-"` // the era is older than the longest TTL, or proven
}

func settledMark(era string) string { return rootPrefix + era + "/settled" }

func ttlMark(era string) string { return rootPrefix + era + "/ttl/" }

// parseRoot reads the era out of the records below rootPrefix; modRev is of the record that names it,
// and 0 if there is none.
func parseRoot(records []Record) (now rootRecord, modRev uint64, err error) {
	for _, r := range records {
		if r.Key != rootKey {
			continue
		}
		if err := json.Unmarshal(r.Value, &now); err != nil || now.Era == "" {
			return rootRecord{}, 0, fmt.Errorf("record %q is not a Muster store's: %.60q: choose another prefix or delete it: %w", rootKey, r.Value, ErrInvalid)
		}
		modRev = r.ModRev
	}
	for _, r := range records {
		if r.Key == settledMark(now.Era) {
			now.Settled = true
		}
		if text, ok := strings.CutPrefix(r.Key, ttlMark(now.Era)); ok {
			if ttl, err := strconv.ParseInt(text, 10, 64); err == nil {
				now.TTL = max(now.TTL, time.Duration(ttl))
			}
		}
	}
	return now, modRev, nil
}

// root is what this process knows of the era. The store is the truth; this is its witness.
type root struct {
	s *Store

	once sync.Once

	mu sync.Mutex
	witnessed
	progress progress // when which revisions of the era were seen
}

// witnessed is what a process has seen of the era.
type witnessed struct {
	known     rootRecord
	modRev    uint64
	strange   bool          // the era came in place of another, whose holders it may know nothing of
	firstSeen time.Duration // when a read that showed the era had returned, since Store.base
	rev       uint64        // the greatest revision seen in the era
	confirmed time.Duration // before the latest read that showed the era was sent, since Store.base
	fallen    string        // the era in which revisions were seen to run backwards; empty: none
	highest   uint64        // the greatest Floor + revision seen in any era
	longest   time.Duration // the longest TTL seen in use, in any era
	proof     bool          // the driver's, until an era stands on it
	proofAt   time.Duration // before it was asked for
}

func (r *root) init(s *Store) { r.s = s }

// YoungError says that nobody may lead yet, because living holders from before the store's era
// could be unaware of it.
type YoungError struct {
	Reason string
	Wait   time.Duration // from now, at most
}

// Error implements error.
func (e *YoungError) Error() string { return e.Reason }

// read reads the root record, makes it if it is missing, and mends it if it can't be trusted:
// revisions that ran backwards or that are below what this process has witnessed start a new era.
// ttl, if not 0, is a TTL that is to be in use.
func (r *root) read(ctx context.Context, ttl time.Duration) (rootRecord, error) {
	return r.readBy(ctx, ttl, rootPrefix, r.s.List)
}

// readBy is read, with a way of its own to list. With rootKey for what, the marks of an era that is
// known to be settled aren't read again: they are only ever created.
func (r *root) readBy(ctx context.Context, ttl time.Duration, what string, list func(context.Context, string) (Snapshot, error)) (rootRecord, error) {
	r.mu.Lock()
	r.longest = max(r.longest, ttl)
	r.mu.Unlock()
	for {
		r.mu.Lock()
		seen := r.witnessed // what was known before the read is sent; the read can't show less
		r.mu.Unlock()
		if !seen.known.Settled {
			what = rootPrefix
		}
		sent := r.s.now()
		snap, err := list(ctx, what)
		if err != nil {
			return rootRecord{}, err
		}
		now, modRev, err := parseRoot(snap.Records)
		if err != nil {
			return rootRecord{}, err
		}
		if r.overtaken(now, seen) {
			continue
		}
		if what == rootKey {
			if now.Era != seen.known.Era {
				what = rootPrefix
				continue
			}
			now.TTL, now.Settled = seen.known.TTL, true
		}
		want, why, err := r.mend(ctx, now, snap.Rev, seen)
		if err != nil {
			return rootRecord{}, err
		}
		if want == now {
			r.witness(now, modRev, snap.Rev)
			r.confirm(now.Era, sent)
			return now, nil
		}
		if why != "" {
			level := slog.LevelWarn
			if now.Era == "" && want.Settled {
				level = slog.LevelDebug // a new store, proven
			}
			r.s.log.Log(ctx, level, "new era", "why", why, "era", want.Era, "floor", want.Floor, "settled", want.Settled)
		}
		if err := r.write(ctx, now, modRev, want, snap.Records); err != nil {
			return rootRecord{}, fmt.Errorf("write the era: %w", err)
		}
		what = rootPrefix // Read again: the answer counts, not the intention.
	}
}

// overtaken tells whether another era than the one read has come to be known since the read was sent:
// then its answer may be from before that.
func (r *root) overtaken(now rootRecord, seen witnessed) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known.Era != seen.known.Era && r.known.Era != now.Era
}

// write makes the era as wanted. The marks come first: an era without them is a young one, and one
// that misses a TTL could come of age too soon.
func (r *root) write(ctx context.Context, now rootRecord, modRev uint64, want rootRecord, records []Record) error {
	var writes []Write
	if want.Settled && (!now.Settled || want.Era != now.Era) {
		writes = append(writes, Write{Kind: Create, Key: settledMark(want.Era)})
	}
	if want.TTL > now.TTL || want.Era != now.Era {
		writes = append(writes, Write{Kind: Create, Key: ttlMark(want.Era) + strconv.FormatInt(int64(want.TTL), 10)})
	}
	if len(writes) > 0 {
		outcomes, err := r.s.Apply(ctx, writes)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			if o.Err != nil && !errors.Is(o.Err, ErrConflict) {
				return o.Err
			}
		}
	}
	if want.Era == now.Era {
		return nil
	}
	value, err := json.Marshal(want)
	if err != nil {
		return err
	}
	write := Write{Kind: Create, Key: rootKey, Value: value}
	if modRev != 0 {
		write = Write{Kind: Update, Key: rootKey, If: modRev, Value: value}
	}
	if _, err := r.s.applyOne(ctx, write); err != nil {
		if errors.Is(err, ErrConflict) {
			return nil // another process was first
		}
		return err
	}
	r.tidy(ctx, want.Era, records) // whoever made marks and has no root record yet will find a conflict
	return nil
}

// tidy deletes the marks of eras that are over, if it can.
func (r *root) tidy(ctx context.Context, era string, records []Record) {
	var writes []Write
	for _, old := range records {
		if old.Key != rootKey && !strings.HasPrefix(old.Key, rootPrefix+era+"/") {
			writes = append(writes, Write{Kind: Delete, Key: old.Key, If: old.ModRev})
		}
	}
	if len(writes) > 0 {
		_, _ = r.s.Apply(ctx, writes)
	}
}

// mend gives the root record as it should be, and why if that is a new era; now was read at revision
// rev, and seen is what this process knew before.
func (r *root) mend(ctx context.Context, now rootRecord, rev uint64, seen witnessed) (want rootRecord, why string, err error) {
	want = now
	after := ""
	// A proof is for one creation of the store. The one that was asked about may be gone when it was
	// long ago; but in less than a TTL nobody else can have come to lead without it.
	proven := seen.proof && r.s.now() < seen.proofAt+seen.longest
	want.TTL = max(want.TTL, seen.longest)
	switch {
	case now.Era == "":
		if want.Settled = r.s.cfg.Fresh || proven; !want.Settled {
			asked := r.s.now()
			want.Settled, err = call(ctx, r.s, r.s.slots, "proof", r.s.cfg.CallTimeout, r.s.driver.Proof)
			r.mu.Lock()
			r.proof, r.proofAt = want.Settled, asked
			r.mu.Unlock()
		}
		why = "the store had none"
	case seen.goesOn(now) && rev < seen.rev:
		want.Settled, why = false, fmt.Sprintf("the store's revision fell from %d to %d: it was restored", seen.rev, rev)
	case seen.goesOn(now) && seen.fallen != "" && seen.fallen == seen.known.Era: // new commits may have made up for it
		want.Settled, why = false, fmt.Sprintf("the store's revision fell below %d: it was restored", seen.rev)
	case now.Floor+rev < seen.highest:
		after = now.Era
		why = fmt.Sprintf("tokens up to %d were seen, and this era's have only reached %d", seen.highest, now.Floor+rev)
	case !now.Settled && proven: // another process wrote the era of the creation that was proven
		want.Settled = true
	case !now.Settled && now.Era == seen.known.Era && r.s.now() >= seen.firstSeen+r.s.adult(want.TTL):
		want.Settled = true
	}
	if why != "" {
		want.Era, want.Floor, want.After = chance.Text(r.s.random), max(now.Floor, seen.highest), after
	}
	return want, why, err
}

// goesOn tells whether now is the era that was known, or one that only raised its floor.
func (seen *witnessed) goesOn(now rootRecord) bool {
	return now.Era == seen.known.Era || now.After != "" && now.After == seen.known.Era
}

// For as much as unawareTTLs of its TTL a session may be renewed without its process having read the
// era. It reads the era again when that would shorten what a renewal gives, about every third or
// fourth time; the rest is for reads that fail.
const unawareTTLs = 1.5

// unaware is for how long after a read that showed the era a lease can go on: never longer than
// adult, of any process.
func (s *Store) unaware(ttl time.Duration) time.Duration {
	return time.Duration(float64(ttl)*unawareTTLs*(1-s.cfg.Drift)) - s.margin(ttl)
}

// adult is how old an era must be before somebody leads in it.
func (s *Store) adult(longest time.Duration) time.Duration {
	return time.Duration(float64(longest) * unawareTTLs * (1 + s.cfg.Drift))
}

// confirmedAt is the moment before the latest read that showed the era was sent; long ago if that
// isn't the era that was seen last.
func (r *root) confirmedAt(era string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if era != r.known.Era {
		return math.MinInt64 / 2
	}
	return r.confirmed
}

// witness takes in what was surely in the store. A change of era costs every lease of the old one.
func (r *root) witness(now rootRecord, modRev, rev uint64) {
	r.mu.Lock()
	old := r.known.Era
	// An era that only raised the floor of the one before is as old, and as strange, as that was.
	if !r.goesOn(now) {
		r.firstSeen, r.rev, r.progress, r.confirmed = r.s.now(), 0, progress{}, math.MinInt64/2
		r.strange = old != ""
	} else if old != "" && r.fallen == old {
		r.fallen = now.Era
	}
	if now.Era == old { // the watch shows no marks
		now.Settled, now.TTL = now.Settled || r.known.Settled, max(now.TTL, r.known.TTL)
	}
	r.known, r.modRev, r.proof = now, modRev, false
	if rev > r.rev {
		r.rev = rev
		r.progress.note(r.s.now(), rev)
	}
	r.highest = max(r.highest, now.Floor+r.rev)
	// What others use counts in the eras to come too: after a wipe, one of them may live on unheard.
	r.longest = max(r.longest, now.TTL)
	r.mu.Unlock()
	if old != "" && old != now.Era {
		r.loseAll(now.Era, fmt.Errorf("%w: the store's era changed: it was wiped or restored", ErrSessionGone))
	}
}

// confirm takes in that a read that was sent then showed the era.
func (r *root) confirm(era string, sent time.Duration) {
	r.mu.Lock()
	if r.known.Era != era { // another has come since
		r.mu.Unlock()
		return
	}
	r.confirmed = max(r.confirmed, sent)
	r.mu.Unlock()
	for _, lease := range r.leases() {
		if lease.era == era {
			lease.extend(0, sent)
		}
	}
}

// loseAll ends every lease that is not of the era.
func (r *root) loseAll(era string, err error) {
	for _, lease := range r.leases() {
		if lease.era != era {
			lease.lose(err)
		}
	}
}

// leases gives the present one of each session.
func (r *root) leases() []*Lease {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	leases := make([]*Lease, 0, len(r.s.sessions))
	for _, x := range r.s.sessions {
		x.mu.Lock()
		if x.lease != nil {
			leases = append(leases, x.lease)
		}
		x.mu.Unlock()
	}
	return leases
}

// Floor is the floor of tokens in the store's present era; 0 in a store that nobody has used yet.
// It writes nothing.
func (s *Store) Floor(ctx context.Context) (uint64, error) {
	snap, err := s.List(ctx, rootKey)
	if err != nil || len(snap.Records) == 0 {
		return 0, err
	}
	var now rootRecord
	if err := json.Unmarshal(snap.Records[0].Value, &now); err != nil {
		return 0, fmt.Errorf("record %q is not a Muster store's: %w", rootKey, ErrInvalid)
	}
	return now.Floor, nil
}
