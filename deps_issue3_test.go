package muster

import (
	_ "github.com/coreos/go-systemd/v22/daemon"
	_ "go.etcd.io/etcd/client/v3"
	_ "go.etcd.io/etcd/server/v3/embed"
	_ "go.yaml.in/yaml/v4"
)
