// Package proto stands in for test messages of xdsmatcher, of which Consul only wants that they
// register themselves.
package proto
