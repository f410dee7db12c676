package storetest

import "testing"

// RunCheck runs one check of the table.
func RunCheck(t testing.TB, h Harness, name string) {
	for _, c := range checks {
		if c.name == name {
			c.run(t, h.withDefaults(t))
			return
		}
	}
	t.Fatalf("no check %q", name)
}

// CheckNames gives the table's names.
func CheckNames() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}
