package muster_test

// Keeps the modules of the drivers that are being built in go.mod.
import (
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/go-zookeeper/zk"
	_ "github.com/hashicorp/consul/api"
	_ "github.com/jackc/pgx/v5/stdlib"
)
