// Package bench measures Muster beside what people use today, in the same run, on the same server,
// one round of each in turn. It is a module of its own: what is compared with stays out of Muster's
// go.mod.
//
//	go test -run '^$' -bench . .    the numbers
//	go test .                       whether they are what was promised
package bench
