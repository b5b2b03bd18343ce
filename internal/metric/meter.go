package metric

import (
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// slot is the length of the finest bins.
const slot = 10 * time.Second

// shardCount is how many parts the counters have, so that calls on several
// processors do not wait for each other; maxSpots is how many counters each
// part has at most. Beyond, calls are counted without what they are about.
const (
	shardCount = 8
	maxSpots   = 8192
)

// idLetters and maxID are what ids are made of that get series of their own,
// and how long they are at most: UUIDs, and those of multi-region keys.
const (
	idLetters = "0123456789abcdefghijklmnopqrstuvwxyz-"
	maxID     = 64
)

// Meter counts calls. The zero value is ready.
type Meter struct{ shards [shardCount]shard }

// shard is a part of the counters.
type shard struct {
	mu     sync.Mutex
	counts map[spot]*tally // guarded by mu
	_      [48]byte        // keeps the next one on another cache line
}

// spot is what a counter counts: calls of one action on one resource in one
// slot. Realm and region are there when there is no resource.
type spot struct {
	slot          int64
	action        key.Action
	resource      string // key.Resource.String
	realm, region string
}

// tally is a counter.
type tally struct{ calls, errors, denied, throttled uint64 }

// The outcomes in audit entries.
var (
	resultDenied = fault.PermissionDenied.String()
	resultLimit  = fault.LimitExceeded.String()
)

// Observe implements tap.Observer: it counts an entry. What nobody decided on
// is counted without its resource: whoever asks for things that do not exist
// must not make series of them.
func (m *Meter) Observe(e *audit.Entry) {
	if counts[e.Action] == "" {
		return
	}
	at := spot{slot: e.Time.Unix() / int64(slot/time.Second), action: e.Action}
	if e.Decision != audit.Undecided {
		at.resource = e.Resource
	}
	if at.resource == "" {
		at.realm, at.region = string(e.Realm), e.Region
	}
	sh := &m.shards[0]
	if n := len(e.RequestID); n > 0 {
		sh = &m.shards[e.RequestID[n-1]%shardCount]
	}
	sh.mu.Lock()
	t := sh.counts[at]
	if t == nil {
		t = sh.add(&at, e)
	}
	t.calls++
	switch e.Result {
	case "ok":
	case resultDenied:
		t.errors++
		t.denied++
	case resultLimit:
		t.errors++
		t.throttled++
	default:
		t.errors++
	}
	sh.mu.Unlock()
}

// add makes the counter of a spot, or, if there are too many, finds the one for
// the action in all of the realm. The lock is held.
func (sh *shard) add(at *spot, e *audit.Entry) *tally {
	if sh.counts == nil {
		sh.counts = make(map[spot]*tally)
	}
	if len(sh.counts) >= maxSpots {
		at.resource, at.realm, at.region = "", string(e.Realm), e.Region
		if t := sh.counts[*at]; t != nil {
			return t
		}
		if len(sh.counts) >= maxSpots+maxSpots/8 { // realms, regions and actions without number
			return new(tally)
		}
	}
	at.resource, at.realm, at.region = strings.Clone(at.resource), strings.Clone(at.realm), strings.Clone(at.region)
	t := new(tally)
	sh.counts[*at] = t
	return t
}

// drain gives what was counted since the last time to take, each spot once for
// each shard that has it.
func (m *Meter) drain(take func(spot, *tally)) {
	for i := range m.shards {
		sh := &m.shards[i]
		sh.mu.Lock()
		counted := sh.counts
		sh.counts = nil
		sh.mu.Unlock()
		for at, t := range counted {
			take(at, t)
		}
	}
}

// series returns the series that the calls of a spot belong to: the thing and
// its operation, each of them alone, and the realm at large. Without a thing
// there are two.
func (at *spot) series() []Series {
	of := Series{Realm: key.RealmID(at.realm), Region: at.region, Kind: counts[at.action]}
	if parts := strings.SplitN(at.resource, "/", 4); at.resource != "" {
		of.Realm = key.RealmID(parts[0])
		if len(parts) > 2 {
			of.Region = parts[1]
		}
		switch {
		case of.Kind == Calls && len(parts) == 3:
			of.ID = parts[2]
		case of.Kind == Issues && len(parts) == 4 && parts[2] == string(key.KindAuthority):
			of.ID = parts[3]
		}
		if strings.Trim(of.ID, idLetters) != "" || len(of.ID) > maxID {
			of.ID = ""
		}
	}
	if of.Realm == "" { // nobody was proved to have called
		return nil
	}
	all := of
	all.ID = ""
	list := []Series{all}
	if of.ID != "" {
		list = append(list, of)
	}
	if of.Kind != Calls {
		return list
	}
	for _, one := range list {
		one.Operation = at.action
		list = append(list, one)
	}
	return list
}
