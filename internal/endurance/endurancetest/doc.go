// Package endurancetest finds what is left over by something that is started and stopped again and
// again: goroutines, descriptors, child processes and memory.
//
// A census counts them. A course repeats a cycle: some times to warm up, and then as often as was
// asked, between two censuses. The second is taken again until it is as the first one or Patience is
// over, since much ends a moment after it was told to. Where it isn't, all is done again, with the
// second census as the first: what is made once and kept is no leak. What is left over three times
// in a row is.
//
// # What counts as flat
//
// No more child processes, at most 2 more descriptors, at most 4 more goroutines, and at most 256 KiB
// and 64 bytes a cycle more on the heap: in 1,000 cycles whatever is lost in one of 250 is found, and
// what keeps 330 bytes of each.
//
// Counts are those of the whole process, so courses must not run beside other tests. Only tests may
// import it (internal/imports).
package endurancetest
