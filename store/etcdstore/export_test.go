package etcdstore

import "github.com/muster-go/muster/store"

// Requests counts the messages that a driver has sent so far.
func Requests(d store.Driver) int { return int(d.(*driver).wire.messages.Load()) }
