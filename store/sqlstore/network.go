package sqlstore

import (
	"fmt"

	"github.com/muster-go/muster/store"
)

// networkName names a file system, by its magic number on Linux, that is surely not this machine's
// own; "" for any other. FUSE isn't among them: it may be local or not.
func networkName(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0x517b:
		return "SMB"
	case 0xff534d42:
		return "CIFS"
	case 0xfe534d42:
		return "SMB2"
	case 0x5346414f:
		return "OpenAFS"
	case 0x6b414653:
		return "AFS"
	case 0x73757245:
		return "Coda"
	case 0x00c36400:
		return "Ceph"
	case 0x01021997:
		return "9P"
	case 0x564c:
		return "NCP"
	case 0x0bd00bd0:
		return "Lustre"
	case 0x01161970:
		return "GFS2"
	case 0x7461636f:
		return "OCFS2"
	case 0x47504653:
		return "GPFS"
	}
	return ""
}

// refuseNetwork refuses a folder on a network file system.
func refuseNetwork(path, dir string) error {
	magic, err := fileSystem(dir)
	if err != nil {
		return err
	}
	if name := networkName(magic); name != "" {
		return fmt.Errorf("SQLite store %s: stands on a network file system (%s), whose locks SQLite can't rely on: choose a path on a local disk, or a store that is a server: %w", path, name, store.ErrInvalid)
	}
	return nil
}
