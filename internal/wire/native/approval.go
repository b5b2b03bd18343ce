package native

import "time"

// Approval is a request for the approval of a critical operation.
type Approval struct {
	ID string `json:"id"`
	// State is "draft" (refused, and nobody was asked yet), "pending", "approved"
	// (may be used once), "used", "denied", "cancelled" or "expired".
	State string `json:"state"`
	// Requester is who tried the operation, such as "123456789012:user:alice";
	// Person is who that is in the end, where it is a session of a role.
	Requester string `json:"requester"`
	Person    string `json:"person,omitempty"`
	// Action and Resource are what was tried; no resource is the realm at large.
	Action   string `json:"action"`
	Resource string `json:"resource,omitempty"`
	Region   string `json:"region,omitempty"`
	// API and Operation are what was called.
	API       string `json:"api"`
	Operation string `json:"operation"`
	// Digest is a keyed hash of who asks for what: another request has another one.
	Digest string `json:"digest"`
	// Request is the request itself. It is absent where requests of its kind may
	// hold a secret, and in listings.
	Request string `json:"request,omitempty"`
	// Rules are the names of the rules that ask for approval.
	Rules []string `json:"rules"`
	// Reason is why the requester wants it.
	Reason string `json:"reason,omitempty"`
	// Approvals is how many persons have approved it, Needed how many have to.
	Approvals int `json:"approvals"`
	Needed    int `json:"needed"`
	// CreatedAt is when it was tried, FiledAt when others were asked.
	CreatedAt time.Time `json:"created_at"`
	FiledAt   time.Time `json:"filed_at,omitzero"`
	// ExpiresAt is when it can no longer be filed, decided or used.
	ExpiresAt time.Time `json:"expires_at"`
	// EndedAt is when it was used, denied, cancelled, or its time was over.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// UsedBy is the id of the request that used it.
	UsedBy string `json:"used_by,omitempty"`
	// Decisions are what others said.
	Decisions []ApprovalDecision `json:"decisions,omitempty"`
}

// ApprovalDecision is what somebody said to a request for approval.
type ApprovalDecision struct {
	By string `json:"by"`
	// Person is who that is in the end, where it is a session of a role.
	Person   string    `json:"person,omitempty"`
	Approved bool      `json:"approved"`
	Comment  string    `json:"comment,omitempty"`
	At       time.Time `json:"at"`
	MFA      bool      `json:"mfa"`
}

// ApprovalList is a page of requests for approval. Next is the marker of the
// next page, empty at the end.
type ApprovalList struct {
	Approvals []Approval `json:"approvals"`
	Next      string     `json:"next,omitempty"`
}

// FileApprovalRequest asks others for their approval.
type FileApprovalRequest struct {
	// Reason is a line for those who decide.
	Reason string `json:"reason"`
}

// DecideApprovalRequest approves or denies.
type DecideApprovalRequest struct {
	// Comment is a line for the requester.
	Comment string `json:"comment,omitempty"`
}

// ApprovalRule is a rule that makes operations critical ones.
type ApprovalRule struct {
	Name string `json:"name"`
	// Actions are canonical names, in which * stands for any text.
	Actions []string `json:"actions"`
	// Resources and Realms are those that the rule is about; absent for all.
	Resources []string `json:"resources,omitempty"`
	Realms    []string `json:"realms,omitempty"`
	// Require is "mfa" or "approval".
	Require string `json:"require"`
	// Approvers are who decides; absent for whoever has the right.
	Approvers []string `json:"approvers,omitempty"`
	// Count is how many different persons have to approve.
	Count int `json:"count,omitempty"`
	// ExpiresSeconds is how long a request waits for decisions, ValidSeconds how
	// long an approval waits for its use.
	ExpiresSeconds int64 `json:"expires_seconds,omitempty"`
	ValidSeconds   int64 `json:"valid_seconds,omitempty"`
}

// ApprovalRuleList is all rules.
type ApprovalRuleList struct {
	Rules []ApprovalRule `json:"rules"`
}
