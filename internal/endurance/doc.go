// Package endurance holds tests only: workers started and stopped a thousand times, and a fleet
// under faults for a while, neither of which may leave anything behind. Its kit, endurancetest,
// counts what a process has.
//
// The tests run in short form with all others. In long form:
//
//	go test ./internal/endurance ./cmd/agent/internal/endurance -run Cycles -timeout 1h -endurance.cycles 1000
//	go test ./internal/endurance -run Soak -timeout 1h -v -soak.for 3m
//
// A soak prints its seed; -soak.seed SEED has the same faults come again.
package endurance
