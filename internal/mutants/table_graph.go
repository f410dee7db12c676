package mutants

// graphMutants are about what runs under leadership: the engine, the gate, the command.
var graphMutants = []Mutant{
	{
		Rule: "graph", Name: "the engine stops inputs together with what depends on them",
		File: "engine/node.go",
		Old:  `case !r.killed && g.held(n):`,
		New:  `case !r.killed && g.held(n) && n.name == "":`,
		Test: "TestOf200ShutdownsOf200StopDependentsFirst",
	},
	{
		Rule: "graph", Name: "Vacate returns before what depends on the gate has ended",
		File: "engine/vacate.go",
		Old:  `for r.users > 0 {`,
		New:  `for r.users < 0 {`,
		Test: "TestWhenAGateFallsItsDependentsStopDeepestFirst",
	},
	{
		Rule: "graph", Name: "one value of a gate changes while it runs",
		File: "manifold/gate_open.go",
		Old:  `func (*openGate) Check() bool { return true }`,
		New:  `func (g *openGate) Check() bool { return g.hold.Leads() }`,
		Test: "TestTheValueOfAGateNeverChangesForOneInstance",
	},
	{
		Rule: "R12", Name: "a gate drops its hold before what depends on it has stopped",
		File: "manifold/gate_open.go",
		Old:  "\tengine.Vacate(g.ctx)\n\tclose(g.vacated)\n\tg.hold.Release()\n",
		New:  "\tg.hold.Release()\n\tengine.Vacate(g.ctx)\n\tclose(g.vacated)\n",
		Test: "TestAStuckGuardedWorkerKeepsTheClaim",
	},
	{
		Rule: "R12", Name: "a guarded worker's hold is dropped when it is told to stop",
		File: "manifold/whileleader.go",
		Old:  `func (w *guarded) Kill() { w.inner.Kill() }`,
		New:  `func (w *guarded) Kill() { w.inner.Kill(); w.end() }`,
		Test: "TestWhileLeaderHoldsTheClaimForTheLifeOfItsWorker",
	},
	{
		Rule: "guardian", Name: "the last moment for SIGKILL is the deadline itself",
		File: "cmd/agent/internal/guard/ladder.go",
		Old:  `return l.deadline - l.margin + l.lag`,
		New:  `return l.deadline + l.lag`,
		Test: "TestLadderByDeadline",
	},
	{
		Rule: "guardian", Name: "a later deadline calls off a stop that has begun",
		File: "cmd/agent/internal/guard/ladder.go",
		Old:  "if l.begun == 0 {\n\t\tl.deadline = max(l.deadline, deadline)\n\t}",
		New:  "l.deadline = max(l.deadline, deadline)",
		Test: "TestLadderByDeadline",
	},
	{
		Rule: "guardian", Name: "a deadline is converted for the guardian by the clock as it is now",
		File: "internal/bootclock/bootclock.go",
		Old:  `{ return bootBase + int64(t.Sub(base)) }`,
		New:  `{ return readBoot() + int64(t.Sub(Clock.Now())) }`,
		Test: "TestFromBootReadsNoClock",
	},
}
