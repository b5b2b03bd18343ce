// Package entry is what is recorded of one call, and its form as a line of
// JSON: in the audit log (package audit, which gives the types its own names),
// and wherever a line of the log is read.
//
// Start with Entry; Append writes one, Decode reads it back. The form has a
// version, and later versions of this package read it.
package entry

import (
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
