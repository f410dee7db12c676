package claimer

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/muster-go/muster/store"
)

// electionsPrefix is where the records stand: elections/<name>/<random>.
const electionsPrefix = "elections/"

func electionPrefix(name string) string { return electionsPrefix + store.Escape(name) + "/" }

// entry is the value of a candidate's record.
type entry struct {
	Holder      string            `json:"holder"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	TTL         time.Duration     `json:"ttl_ns"`
	Token       uint64            `json:"token,omitempty"` // set by the holder once it knows that it holds
	ResignAsked bool              `json:"resign_asked,omitempty"`
}

func (e entry) encode() []byte {
	value, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return value
}

// Standing is a candidate as the store shows it.
type Standing struct {
	Claim                     // Token is 0 for candidates that don't hold
	Confirmed   bool          // the holder itself knows that it holds
	TTL         time.Duration // of its session
	ResignAsked bool          // somebody asked it to resign
	Key         string        // of its record
	CreateRev   uint64        // its place in the queue
}

// DisplayHolder cuts off the incarnation that a tracker adds to its holder's name ("box-1#x7f…").
func DisplayHolder(holder string) string {
	name, _, _ := strings.Cut(holder, "#")
	return name
}

// standings decodes the records of one election, in the order of the queue. A record that doesn't
// parse stands as a candidate without a name: it holds its place all the same. The first one
// holds; floor turns its place into its token if it hasn't confirmed yet (0: unknown).
func standings(name string, records []store.Record, floor uint64, floorKnown bool) []Standing {
	list := make([]Standing, 0, len(records))
	for i, r := range records {
		var e entry
		_ = json.Unmarshal(r.Value, &e)
		s := Standing{
			Claim: Claim{Candidate: Candidate{Name: name, Holder: e.Holder, Attributes: e.Attributes}},
			TTL:   e.TTL, ResignAsked: e.ResignAsked,
			Key: r.Key, CreateRev: r.CreateRev,
		}
		if i == 0 {
			s.Token, s.Confirmed = e.Token, e.Token != 0
			if s.Token == 0 && floorKnown {
				s.Token = floor + r.CreateRev
			}
		}
		list = append(list, s)
	}
	return list
}
