package zkstore

import (
	"encoding/binary"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// A record's node holds one of these, and the value. An ephemeral node can't change its owner: a record
// that gets another one gets another node, which says when the record was created.
const (
	plainValue = 0
	movedValue = 1 // 8 bytes of the create revision follow
)

// encode is what a record's node holds; created is 0, or the revision at which it was created if that
// isn't its node's.
func encode(created uint64, value []byte) []byte {
	if created == 0 {
		return append([]byte{plainValue}, value...)
	}
	return append(binary.BigEndian.AppendUint64([]byte{movedValue}, created), value...)
}

// decode reads a record; false: the node isn't one. moved is what to encode the next value with.
func decode(key string, n node) (r store.Record, moved uint64, ok bool) {
	r = store.Record{Key: key, CreateRev: uint64(n.stat.Czxid), ModRev: uint64(n.stat.Mzxid), Session: idOf(n.stat.EphemeralOwner)}
	switch {
	case len(n.value) >= 1 && n.value[0] == plainValue:
		r.Value = n.value[1:]
	case len(n.value) >= 9 && n.value[0] == movedValue:
		moved = binary.BigEndian.Uint64(n.value[1:])
		r.CreateRev, r.Value = moved, n.value[9:]
	default:
		return store.Record{}, 0, false
	}
	return r, moved, true
}

// revision is of what the node's latest change was.
func revision(stat zk.Stat) uint64 {
	return uint64(max(stat.Mzxid, stat.Czxid, stat.Pzxid))
}
