package mutants

// Rule is something that the tests protect.
type Rule struct{ ID, Text string }

// Rules are what mutants break, in the order of the page.
var Rules = []Rule{
	{"R1", "A deadline counts from before the renewal was sent; a passed one latches"},
	{"R2", "The machine's sleep counts"},
	{"R3", "One session for all of a process; a lost one is rebuilt, and nothing of it lives on"},
	{"R4", "No ghosts: nothing stands in the store without somebody behind it"},
	{"R5", "A wiped or restored store is noticed; nobody leads in a young era; tokens go on rising"},
	{"R6", "The order of revisions is that of commits"},
	{"R7", "Of a SQL store a session ends only at a renewal number that was seen unchanged for its TTL"},
	{"R8", "A session of ZooKeeper's is renewed by a write that its leader acknowledges, and counts from one that it surely knows"},
	{"R9", "The first in the order of commits leads, decided only from a read that holds the own record"},
	{"R10", "A claim never promises more than its session does, and an extension normally costs no request"},
	{"R11", "A candidacy lives only while somebody wants it; its end is irrevocable and comes before its delete"},
	{"R12", "A claim isn't given up, nor claimed again, while guarded work runs"},
	{"R13", "Two candidates of one name never extend each other's claim"},
	{"point 1", "A renewal that hangs doesn't keep WaitMinion from firing"},
	{"point 2", "A claim that returns after its own lease ended never yields true"},
	{"point 3", "A spurious end of WaitReleased is re-armed"},
	{"point 4", "A transient error is retried, and only a permanent one ends the tracker"},
	{"point 5", "Request methods never block"},
	{"point 6", "Kill cancels a claim in flight"},
	{"point 7", "A ticket costs no goroutine"},
	{"point 8", "A pending and a fresh ticket agree"},
	{"point 9", "After a suspend or a late timer nothing says true"},
	{"point 10", "Kill resolves every ticket"},
	{"tracker", "What else a tracker owes: a loss is heard at once, a release comes in its turn"},
	{"etcd", "The etcd driver: watches lose nothing, requests go where there is a leader, a write is sent once"},
	{"zk", "The ZooKeeper driver: a condition never holds for a record that was made again; a session that ended is followed by none"},
	{"graph", "Dependents stop first; a gate's value never changes"},
	{"guardian", "The command is dead before the deadline, and nothing calls that off"},
	{"fence", "A protected resource refuses a token below the greatest that it has seen"},
}
