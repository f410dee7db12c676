// Package ensemble holds tests only: the driver on three ZooKeepers, each client on another one.
package ensemble
