package mutants

import "slices"

// All gives the table of mutants, in the order of the code from the bottom up.
func All() []Mutant {
	return slices.Concat(storeMutants, eraMutants, driverMutants, claimerMutants, trackerMutants, graphMutants)
}
