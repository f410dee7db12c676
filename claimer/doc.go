// Package claimer grants exclusive, time-limited, fenced claims by name.
package claimer
