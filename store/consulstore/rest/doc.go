// Package rest tests what many elections of one process cost on a real Consul while nothing happens. It
// holds no code: so its tests, whose time goes to starting hundreds of elections, run beside the
// others.
package rest
