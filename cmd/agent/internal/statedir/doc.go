// Package statedir is the folder in which a daemon says where it can be asked: a file with its
// address and process, which it takes away when it ends, and a lock that dies with it.
package statedir
