package native

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// AuditRecord is an entry of the audit log.
type AuditRecord struct {
	// Position is the entry's number in the log, from 1.
	Position  uint64    `json:"position"`
	Time      time.Time `json:"time"`
	Realm     string    `json:"realm,omitempty"`
	Region    string    `json:"region,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	API       string    `json:"api,omitempty"`
	Operation string    `json:"operation,omitempty"`
	// Action is the canonical name, such as "key:Sign".
	Action     string `json:"action,omitempty"`
	Principal  string `json:"principal,omitempty"`
	Credential string `json:"credential,omitempty"`
	Method     string `json:"method,omitempty"`
	MFA        bool   `json:"mfa,omitempty"`
	Source     string `json:"source,omitempty"`
	UserAgent  string `json:"user_agent,omitempty"`
	Resource   string `json:"resource,omitempty"`
	// Decision is "allow", "deny", or empty for a call that was not judged.
	Decision string `json:"decision,omitempty"`
	// Why is the reason of the decision.
	Why string `json:"why,omitempty"`
	// Result is "ok" or the kind of the failure, Error its text.
	Result  string        `json:"result"`
	Error   string        `json:"error,omitempty"`
	Details []AuditDetail `json:"details,omitempty"`
}

// AuditDetail is a named fact of an entry.
type AuditDetail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// AuditList is a page of entries in the order of the log. Next is what After
// of the next page is, empty at the end of the log.
type AuditList struct {
	Records []AuditRecord `json:"records"`
	Next    string        `json:"next,omitempty"`
}

// AuditFilter says which entries are wanted. Zero fields want everything. It
// travels as query parameters.
type AuditFilter struct {
	// After is a position; entries behind it are wanted.
	After uint64
	// Last asks for the newest so many entries, in the order of the log; it
	// excludes After.
	Last int
	// Limit is the most entries of a page; 0 stands for 100.
	Limit int
	// Since is inclusive, Until exclusive.
	Since, Until time.Time
	// In Action, Principal, Resource, Result and RequestID an asterisk stands
	// for any text.
	Action, Principal, Resource, Result string
	RequestID                           string
}

// AuditRecordOf puts a record of the log into the API's shape.
func AuditRecordOf(r *audit.Record) AuditRecord {
	e := &r.Entry
	out := AuditRecord{
		Position: uint64(r.Position), Time: e.Time, Realm: string(e.Realm), Region: e.Region, RequestID: e.RequestID,
		API: e.API, Operation: e.Operation, Action: e.Action.String(), Principal: e.Principal, Credential: e.Credential,
		Method: e.Method, MFA: e.MFA, Source: e.Source, UserAgent: e.UserAgent, Resource: e.Resource,
		Decision: string(e.Decision), Why: e.Why, Result: e.Result, Error: e.Error,
	}
	for _, d := range e.Details {
		out.Details = append(out.Details, AuditDetail(d))
	}
	return out
}
