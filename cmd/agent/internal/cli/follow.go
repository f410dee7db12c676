package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/say"
)

// The events that a follower tells.
const (
	eventLeader      = "leader"       // somebody leads, from now on or already
	eventVacant      = "vacant"       // nobody leads
	eventJoined      = "joined"       // somebody stands
	eventLeft        = "left"         // somebody who stood, without leading, doesn't any more
	eventResignAsked = "resign-asked" // somebody was asked to resign
	eventStale       = "stale"        // what was told may be out of date: the store can't be reached
	eventCurrent     = "current"      // it is up to date again
)

// follower turns the views of an election into events. The first one is leader or vacant.
type follower struct {
	election string
	tell     func(say.Line)

	begun  bool
	stale  bool
	leader claimer.Standing   // Key is empty while nobody leads
	known  []claimer.Standing // the candidates of the latest view
}

// see takes the next view; one call at a time.
func (f *follower) see(v claimer.View) {
	switch {
	case v.Stale != nil && !f.stale:
		f.stale = true
		f.tell(say.Line{
			Event: eventStale, Election: f.election,
			Text: fmt.Sprintf("the store can't be reached (%v): what was told may be out of date", v.Stale),
		})
	case v.Stale == nil && f.stale:
		f.stale = false
		f.tell(say.Line{Event: eventCurrent, Election: f.election, Text: "the store answers again"})
	}
	if v.Stale != nil && !f.begun {
		return
	}
	var leader claimer.Standing
	if len(v.Candidates) > 0 && v.Candidates[0].Confirmed {
		leader = v.Candidates[0]
	}
	if f.begun {
		f.others(v.Candidates, leader)
	}
	waiting := len(v.Candidates)
	switch {
	case leader.Key != "" && (leader.Key != f.leader.Key || leader.Token != f.leader.Token):
		waiting--
		f.say(eventLeader, leader, &waiting, "%s leads %s with token %d%s; %d waiting",
			claimer.DisplayHolder(leader.Holder), f.election, leader.Token, process(leader), waiting)
	case leader.Key == "" && !f.begun:
		f.say(eventVacant, leader, &waiting, "nobody leads %s", f.election)
	case leader.Key == "" && f.leader.Key != "":
		f.say(eventVacant, f.leader, &waiting, "%s leads %s no more (token %d); %d waiting",
			claimer.DisplayHolder(f.leader.Holder), f.election, f.leader.Token, waiting)
	}
	f.begun, f.leader, f.known = true, leader, slices.Clone(v.Candidates)
}

// others tells what happened to those who don't lead, and who was asked to resign.
func (f *follower) others(now []claimer.Standing, leader claimer.Standing) {
	find := func(list []claimer.Standing, key string) (claimer.Standing, bool) {
		i := slices.IndexFunc(list, func(s claimer.Standing) bool { return s.Key == key })
		if i < 0 {
			return claimer.Standing{}, false
		}
		return list[i], true
	}
	for _, was := range f.known {
		if _, ok := find(now, was.Key); !ok && was.Key != f.leader.Key {
			f.say(eventLeft, was, nil, "%s%s stands for %s no more", claimer.DisplayHolder(was.Holder), process(was), f.election)
		}
	}
	for i, is := range now {
		was, ok := find(f.known, is.Key)
		if !ok && is.Key != leader.Key {
			f.say(eventJoined, is, nil, "%s%s stands for %s, in place %d", claimer.DisplayHolder(is.Holder), process(is), f.election, i+1)
		}
		if is.ResignAsked && !was.ResignAsked {
			f.say(eventResignAsked, is, nil, "%s%s was asked to resign from %s", claimer.DisplayHolder(is.Holder), process(is), f.election)
		}
	}
}

func (f *follower) say(event string, who claimer.Standing, waiting *int, format string, args ...any) {
	f.tell(say.Line{
		Time: time.Now(), Event: event, Election: f.election, Text: fmt.Sprintf(format, args...),
		Holder: claimer.DisplayHolder(who.Holder), Token: who.Token, PID: pid(who.Claim), Waiting: waiting,
	})
}

// process gives " (pid 123)", if it is known.
func process(s claimer.Standing) string {
	if n := pid(s.Claim); n != 0 {
		return fmt.Sprintf(" (pid %d)", n)
	}
	return ""
}
