package native

import "time"

// AuditSink is where the audit log is sent.
type AuditSink struct {
	Name string `json:"name"`
	// Kind is "syslog", "http" or "bucket", Target where that is.
	Kind   string `json:"kind"`
	Target string `json:"target"`
	// Format is what entries are written as.
	Format string `json:"format"`
	// Position is the last entry that the sink has.
	Position uint64 `json:"position"`
	// LagEntries are not there yet; the oldest of them is LagSeconds old.
	LagEntries uint64 `json:"lag_entries"`
	LagSeconds int64  `json:"lag_seconds"`
	// Behind says that it is more than it may be, which was told to people.
	Behind bool `json:"behind,omitempty"`
	// Delivered and Failures count since the server started: entries, and
	// attempts that failed.
	Delivered   int64     `json:"delivered"`
	Failures    int64     `json:"failures"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	// Error is why the last attempt failed, at FailedAt; NextAt is when the next
	// one is. Without an error the last attempt did not fail.
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failed_at,omitzero"`
	NextAt   time.Time `json:"next_at,omitzero"`
}

// AuditSinkList is all sinks.
type AuditSinkList struct {
	Sinks []AuditSink `json:"sinks"`
}

// AuditHold keeps the audit log of a time, however old it gets.
type AuditHold struct {
	Name string `json:"name"`
	// From is inclusive, Until exclusive; absent for no bound.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Reason is why, CreatedBy who asked for it.
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

// AuditHoldList is all holds of the realm.
type AuditHoldList struct {
	Holds []AuditHold `json:"holds"`
}

// AddAuditHoldRequest asks for a hold.
type AddAuditHoldRequest struct {
	// Name is 1 to 63 letters, digits and . _ -.
	Name string `json:"name"`
	// From is inclusive, Until exclusive; absent for no bound.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Reason is why, in 1 to 512 characters.
	Reason string `json:"reason"`
}
