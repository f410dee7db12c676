package etcdstore

import (
	"math"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/store"
)

// root is what stands before every key.
func (d *driver) root() string {
	if d.cfg.Prefix == "" {
		return ""
	}
	return d.cfg.Prefix + "/"
}

// keyRange is what a prefix means to etcd: the keys from key up to end, or the one key if end is nil.
type keyRange struct{ key, end []byte }

func (d *driver) rangeOf(prefix string) keyRange {
	full := d.root() + prefix
	switch {
	case full == "":
		return keyRange{[]byte{0}, []byte{0}} // etcd's way to say: all
	case prefix == "" || strings.HasSuffix(prefix, "/"):
		return keyRange{[]byte(full), []byte(clientv3.GetPrefixRangeEnd(full))}
	}
	return keyRange{[]byte(full), nil}
}

func (d *driver) record(kv *mvccpb.KeyValue) store.Record {
	return store.Record{
		Key:       strings.TrimPrefix(string(kv.Key), d.root()),
		Value:     kv.Value,
		CreateRev: uint64(kv.CreateRevision),
		ModRev:    uint64(kv.ModRevision),
		Session:   sessionID(kv.Lease),
	}
}

// sessionID is a lease's name, as etcdctl writes it.
func sessionID(lease int64) store.SessionID {
	if lease == 0 {
		return ""
	}
	return store.SessionID(strconv.FormatUint(uint64(lease), 16))
}

// leaseOf is the lease that a session is; false: none can have this name.
func leaseOf(id store.SessionID) (int64, bool) {
	n, err := strconv.ParseUint(string(id), 16, 64)
	return int64(n), err == nil && n != 0
}

// revision is a revision as etcd takes it; false: none can be like this.
func revision(rev uint64) (int64, bool) { return int64(rev), rev > 0 && rev <= math.MaxInt64 }
