package cli

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/say"
)

func candidateOf(key string, token uint64) claimer.Standing {
	return claimer.Standing{
		Claim:     claimer.Claim{Candidate: claimer.Candidate{Name: "hello", Holder: key + "#1"}, Token: token},
		Confirmed: token != 0, Key: key,
	}
}

func TestAFollowerTellsEachChangeOnce(t *testing.T) {
	var told []string
	f := &follower{election: "hello", tell: func(l say.Line) { told = append(told, l.Event+": "+l.Text) }}
	see := func(want []string, v claimer.View) {
		t.Helper()
		told = nil
		f.see(v)
		assert.Equal(t, want, told)
	}
	view := func(list ...claimer.Standing) claimer.View { return claimer.View{Candidates: list} }
	asked := candidateOf("a", 2)
	asked.ResignAsked = true
	outage := view(candidateOf("b", 5))
	outage.Stale = errors.New("cut off")

	see([]string{"stale: the store can't be reached (cut off): what was told may be out of date"}, claimer.View{Stale: errors.New("cut off")})
	see([]string{"current: the store answers again", "vacant: nobody leads hello"}, view())
	see([]string{"joined: a stands for hello, in place 1"}, view(candidateOf("a", 0)))
	see([]string{"leader: a leads hello with token 2; 0 waiting"}, view(candidateOf("a", 2)))
	see(nil, view(candidateOf("a", 2)))
	see([]string{"joined: b stands for hello, in place 2"}, view(candidateOf("a", 2), candidateOf("b", 0)))
	see([]string{"joined: c stands for hello, in place 3"}, view(candidateOf("a", 2), candidateOf("b", 0), candidateOf("c", 0)))
	see([]string{"left: c stands for hello no more"}, view(candidateOf("a", 2), candidateOf("b", 0)))
	see([]string{"resign-asked: a was asked to resign from hello"}, view(asked, candidateOf("b", 0)))
	see([]string{"vacant: a leads hello no more (token 2); 1 waiting"}, view(candidateOf("b", 0)))
	see([]string{"leader: b leads hello with token 5; 0 waiting"}, view(candidateOf("b", 5)))
	see([]string{"stale: the store can't be reached (cut off): what was told may be out of date"}, outage)
	see(nil, outage)
	see([]string{"current: the store answers again"}, view(candidateOf("b", 5)))
	see([]string{"leader: b leads hello with token 9; 0 waiting"}, view(candidateOf("b", 9)))
}
