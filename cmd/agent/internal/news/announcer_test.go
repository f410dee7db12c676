package news_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/news"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listener collects what is told.
type listener struct{ lines []string }

func (l *listener) announcer() *news.Announcer {
	return news.New(news.Config{
		Election: "web",
		Limits:   func() store.Limits { return store.Limits{ExpiryLag: time.Second} },
		Mine:     func(s claimer.Standing) bool { return s.Holder == "me" },
		Say: func(event string, _ say.Line, format string, args ...any) {
			l.lines = append(l.lines, event+": "+fmt.Sprintf(format, args...))
		},
		Outage: func(down error, led bool) { l.lines = append(l.lines, fmt.Sprintf("outage: %v %t", down, led)) },
	})
}

// told gives what was told since the last call.
func (l *listener) told() []string {
	lines := l.lines
	l.lines = nil
	return lines
}

func standing(holder string, token uint64) claimer.Standing {
	s := claimer.Standing{Confirmed: token != 0, TTL: 3 * time.Second}
	s.Holder, s.Token = holder, token
	return s
}

func TestWhomItWaitsForIsToldOnce(t *testing.T) {
	var l listener
	a := l.announcer()
	a.See(claimer.View{Candidates: []claimer.Standing{standing("box-2#x", 0), standing("me", 0)}})
	assert.Empty(t, l.told(), "that one doesn't know yet that it leads")
	led := claimer.View{Candidates: []claimer.Standing{standing("box-2#x", 5), standing("me", 0)}}
	a.See(led)
	a.See(led)
	assert.Equal(t, []string{"waiting: waiting for box-2 (token 5): at most 4 s after it stops answering"}, l.told())
	assert.Equal(t, ": box-2 leads (token 5)", a.WhoLeads())
	a.See(claimer.View{Candidates: []claimer.Standing{standing("box-3#x", 6), standing("other", 0)}})
	assert.Empty(t, l.told(), "it doesn't stand")
	a.Campaigning(false)
	a.See(claimer.View{Candidates: []claimer.Standing{standing("me", 7)}})
	assert.Empty(t, l.told(), "it leads")
	a.Campaigning(true)
	a.See(led)
	assert.Len(t, l.told(), 1, "it waits again")
}

func TestAnOutageIsToldAtItsBeginningAndItsEnd(t *testing.T) {
	var l listener
	a := l.announcer()
	a.Claimed(errors.New("cut"))
	assert.Empty(t, l.told(), "one failure is a hiccup")
	a.Claimed(errors.New("cut"))
	a.Claimed(errors.New("cut"))
	assert.Equal(t, []string{"outage: cut false"}, l.told())
	assert.EqualError(t, a.Down(), "cut")
	a.Claimed(nil)
	assert.Equal(t, []string{"outage: <nil> false"}, l.told())
	assert.NoError(t, a.Down())
	a.Campaigning(false)
	a.See(claimer.View{Stale: errors.New("no answer")})
	assert.Equal(t, []string{"outage: no answer true"}, l.told())
	assert.Equal(t, ": the store can't be reached (no answer)", a.WhyLost())
	assert.Equal(t, a.WhyLost(), a.WhoLeads())
}

func TestWhyNobodyLeadsYetIsToldOnce(t *testing.T) {
	var l listener
	a := l.announcer()
	for range 2 {
		a.Claimed(&claimer.DeniedError{Name: "web", Reason: "the store is young", AtMost: 3 * time.Second})
	}
	assert.Equal(t, []string{"not-yet: nobody can lead web yet, for at most 3 s: the store is young"}, l.told())
}
