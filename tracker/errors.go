package tracker

// Error is the type of this package's error constants; compare with errors.Is.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// The errors of a tracker.
const (
	// ErrLeadershipChanged: leadership was had and lost. It is also the cause of the contexts that
	// end with it.
	ErrLeadershipChanged Error = "leadership changed"
	// ErrNotLeader: there is no leadership to hold now.
	ErrNotLeader Error = "not leader"
	// ErrUnknown: nobody is known to lead now.
	ErrUnknown Error = "no known leader"
	// ErrStopped: the tracker stopped, or is stopping.
	ErrStopped Error = "tracker stopped"
)
