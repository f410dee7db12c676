package etcdutil

// LeaderElector is what an Election offers: take it in your own code, and give AlwaysLeaderMock in
// its tests.
type LeaderElector interface {
	// IsLeader reports whether this candidate leads now; it never blocks.
	IsLeader() bool
	// Concede gives leadership up, if this candidate has it, and reports whether it had it.
	Concede() (bool, error)
	// Close takes the candidate out of the election, for good.
	Close()
}

var (
	_ LeaderElector = (*Election)(nil)
	_ LeaderElector = (*AlwaysLeaderMock)(nil)
)

// AlwaysLeaderMock is a LeaderElector for tests: it always leads.
type AlwaysLeaderMock struct{}

// IsLeader gives true.
func (s *AlwaysLeaderMock) IsLeader() bool { return true }

// Concede gives (true, nil), and changes nothing.
func (s *AlwaysLeaderMock) Concede() (bool, error) { return true, nil }

// Close does nothing.
func (s *AlwaysLeaderMock) Close() {}
