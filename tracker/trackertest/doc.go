// Package trackertest helps to test what uses a tracker, and trackers themselves.
//
// AlwaysLeader and NeverLeader are Trackers whose answer never changes. Memory is a Claimer within
// the process, good for fake clocks and synctest bubbles. Script is a Claimer whose every call the
// test answers: at once, late, or never.
package trackertest
