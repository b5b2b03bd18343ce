// Package audit keeps the record of every call: one entry for each, allowed
// or denied, durable before the caller has its answer. Entries are chained by
// hash, kept in segment files that are written into space zeroed ahead, and
// covered by signed checkpoints, so that Verify finds any change, removal or
// reordering and says where.
//
// Entry is what is recorded. A Recorder takes entries: Log is the durable one,
// Memory is for servers that keep nothing. A Source has them read: Log,
// Memory, and Files, the directory of a log that another process writes.
// Verify checks a log. The format on disk is described in frame.go; it has a
// version, and later versions of this package read it.
package audit

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Decision is what policy said of a call.
type Decision string

// The decisions. A call that failed before it could be judged has none.
const (
	Undecided Decision = ""
	Allowed   Decision = "allow"
	Denied    Decision = "deny"
)

// Entry is the record of one call. It never holds a secret: no plaintext, no
// message, no key material, no credential.
type Entry struct {
	Time      time.Time
	Realm     key.RealmID
	Region    string
	RequestID string
	// API and Operation are the front end's names, Action the canonical one.
	API, Operation string
	Action         key.Action
	// Principal is key.Principal.String, empty when nobody was proved.
	Principal, Credential, Method string
	MFA                           bool
	Source, UserAgent             string
	// Resource is key.Resource.String.
	Resource string
	Decision Decision
	// Why is the reason of the decision: the policy and statement.
	Why string
	// Result is "ok" or the fault.Kind of the failure; Error its public text.
	Result, Error string
	// Details are what else matters to an auditor, in order.
	Details []Detail
}

// Detail is a named fact of an entry, such as the algorithm or a serial.
type Detail struct{ Name, Value string }

// Position is an entry's number in the log, from 1.
type Position uint64

// Recorder takes entries. Log is the durable one.
type Recorder interface {
	// Enqueue puts the entry at the end of the log and returns its position
	// without waiting for the disk. The entry is not used after the return. A
	// log that has failed takes no more entries: fault.Unavailable.
	Enqueue(e *Entry) (Position, error)
	// Wait returns nil once the entry at the position, and all before it, are
	// durable. It returns fault.Unavailable when they will never be.
	Wait(ctx context.Context, p Position) error
}
