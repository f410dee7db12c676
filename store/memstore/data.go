package memstore

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-go/muster/store"
)

// All functions of this file that belong to Service are called with its lock held.

// grant starts a session.
func (s *Service) grant(ses *session) store.SessionID {
	s.lastID++
	id := store.SessionID(fmt.Sprintf("mem-%d", s.lastID))
	s.data.sessions[id] = ses
	s.sooner(ses.deadline)
	s.arm()
	return id
}

// compareIDs orders sessions as they were granted.
func compareIDs(a, b store.SessionID) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// end ends a session and deletes what it owns; harmless for one that is gone.
func (s *Service) end(id store.SessionID) {
	ses, ok := s.data.sessions[id]
	if !ok {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(ses.keys)) {
		s.remove(s.data.records[key])
	}
	delete(s.data.sessions, id)
}

// apply does one write whose shape was checked.
func (s *Service) apply(w store.Write) (uint64, error) {
	old, exists := s.data.records[w.Key]
	switch {
	case w.Kind == store.Create && exists:
		return 0, fmt.Errorf("memstore: create %q: it exists since revision %d: %w", w.Key, old.CreateRev, store.ErrConflict)
	case w.Kind != store.Create && !exists:
		return 0, fmt.Errorf("memstore: %s %q if at revision %d: it doesn't exist: %w", kindName(w.Kind), w.Key, w.If, store.ErrConflict)
	case w.Kind != store.Create && old.ModRev != w.If:
		return 0, fmt.Errorf("memstore: %s %q if at revision %d: it is at %d: %w", kindName(w.Kind), w.Key, w.If, old.ModRev, store.ErrConflict)
	case w.Kind == store.Delete:
		return s.remove(old), nil
	}
	owner := s.data.sessions[w.Session]
	if w.Session != "" && owner == nil {
		return 0, fmt.Errorf("memstore: %s %q owned by session %q: %w", kindName(w.Kind), w.Key, w.Session, store.ErrSessionGone)
	}
	if exists {
		s.disown(old)
	}
	s.data.rev++
	r := store.Record{Key: w.Key, Value: bytes.Clone(w.Value), CreateRev: s.data.rev, ModRev: s.data.rev, Session: w.Session}
	if exists {
		r.CreateRev = old.CreateRev
	}
	s.data.records[w.Key] = r
	if owner != nil {
		owner.keys[w.Key] = struct{}{}
	}
	s.publish(store.Event{Kind: store.EventPut, Record: r, Rev: r.ModRev})
	return r.ModRev, nil
}

func (s *Service) remove(r store.Record) uint64 {
	s.disown(r)
	s.data.rev++
	delete(s.data.records, r.Key)
	s.publish(store.Event{Kind: store.EventDelete, Record: r, Rev: s.data.rev})
	return s.data.rev
}

func (s *Service) disown(r store.Record) {
	if owner := s.data.sessions[r.Session]; owner != nil {
		delete(owner.keys, r.Key)
	}
}

// list reads a prefix. The values are the store's own.
func (s *Service) list(prefix string) store.Snapshot {
	snap := store.Snapshot{Rev: s.data.rev}
	if !isDir(prefix) {
		if r, ok := s.data.records[prefix]; ok {
			snap.Records = []store.Record{r}
		}
		return snap
	}
	for key, r := range s.data.records {
		if strings.HasPrefix(key, prefix) {
			snap.Records = append(snap.Records, r)
		}
	}
	slices.SortFunc(snap.Records, store.CompareRecords)
	return snap
}

// isDir tells a prefix that means every key below it from one that means one key.
func isDir(prefix string) bool { return prefix == "" || strings.HasSuffix(prefix, "/") }

func matches(prefix, key string) bool {
	if isDir(prefix) {
		return strings.HasPrefix(key, prefix)
	}
	return key == prefix
}

// checkWrites refuses a batch that makes no sense, before any of it is done.
func checkWrites(writes []store.Write) error {
	seen := make(map[string]struct{}, len(writes))
	for i, w := range writes {
		if err := checkKey(w.Key); err != nil {
			return fmt.Errorf("memstore: write %d: %w", i, err)
		}
		if w.Kind != store.Create && w.Kind != store.Update && w.Kind != store.Delete {
			return fmt.Errorf("memstore: write %d of %q has the unknown kind %d: use Create, Update or Delete: %w", i, w.Key, w.Kind, store.ErrInvalid)
		}
		if _, double := seen[w.Key]; double {
			return fmt.Errorf("memstore: write %d of %q: another write of the batch has that key: use two batches: %w", i, w.Key, store.ErrInvalid)
		}
		seen[w.Key] = struct{}{}
	}
	return nil
}

func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("the key is empty: give it a name: %w", store.ErrInvalid)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" {
			return fmt.Errorf(`key %q has an empty part: "/" may only stand between two parts: %w`, key, store.ErrInvalid)
		}
	}
	return nil
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkKey(strings.TrimSuffix(prefix, "/"))
}

func kindName(k store.WriteKind) string {
	switch k {
	case store.Create:
		return "create"
	case store.Update:
		return "update"
	default:
		return "delete"
	}
}
