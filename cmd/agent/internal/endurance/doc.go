// Package endurance holds tests only: what the agent is made of, started and stopped again and again,
// which may leave no goroutine, descriptor, process or memory behind. They are apart from those of
// the library (internal/endurance) because only the agent may import its parts.
//
//	go test ./cmd/agent/internal/endurance -timeout 1h -endurance.cycles 1000
package endurance
