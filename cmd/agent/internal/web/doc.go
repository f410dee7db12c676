// Package web is how a daemon serves HTTP to programs of its machine, and to nobody who comes by way
// of a browser: who may ask, and how the server starts and stops.
//
// A page from elsewhere can make a browser send requests to this machine, and by rebinding a DNS
// name even read the answers. So a request must name in Host an address or a name by which the
// daemon knows itself, and an Origin, which browsers add, must be the daemon's own. Only GET and HEAD
// are answered: nothing is changed by HTTP.
package web
