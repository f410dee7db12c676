// Package rest tests what many elections of one process cost on a real etcd while nothing happens. It
// holds no code: so its tests, whose time goes to starting a thousand elections, run beside the
// others.
package rest
