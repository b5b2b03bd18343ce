package ca

import (
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// State is an authority's place in its life.
type State string

// The states. Pending, Active, Disabled, Revoked and Deleted are stored.
// Creating lasts as long as the call that makes the authority, and ends with
// it; Expired and Failed are what the clock and the key make of a stored
// state.
const (
	Creating State = "creating" // its key, request and certificate are being made
	Pending  State = "pending"  // has a key and waits for its certificate
	Active   State = "active"
	Disabled State = "disabled" // issues nothing; revocation and its publication go on
	Expired  State = "expired"  // its certificate's time is over
	Revoked  State = "revoked"  // its parent revoked its certificate
	Deleted  State = "deleted"  // until DeleteAt it can be restored
	Failed   State = "failed"   // its key does not exist any more
)

// States returns every state.
func States() []State {
	return []State{Creating, Pending, Active, Disabled, Expired, Revoked, Deleted, Failed}
}

// allowed returns the states of an authority in which an action on it is
// allowed: the one table of the life of authorities. An action that is not in
// it has nothing to do with an authority's state, or only reads.
//
// What reads is allowed in every state; so it is left to the realm's own
// records to tell what an authority was. Revoking is for every authority
// that ever had a certificate, whatever became of it since: an incident does
// not wait for the right state. A deleted authority is at rest, and all that
// it takes is to be restored.
func allowed(action key.Action) []State {
	switch action { //nolint:exhaustive // the rest only reads
	case key.IssueCertificate:
		return []State{Active}
	case key.UpdateAuthority:
		return []State{Active, Disabled}
	case key.ImportAuthorityCertificate:
		return []State{Pending, Active, Disabled, Expired}
	case key.RenewAuthority:
		return []State{Active, Disabled, Expired}
	case key.RekeyAuthority:
		return []State{Active, Disabled, Expired, Revoked, Failed}
	case key.RevokeCertificate, key.CreateAuditReport:
		return []State{Active, Disabled, Expired, Revoked, Failed}
	case key.GetAuthorityCSR:
		return []State{Pending, Active, Disabled, Expired, Revoked}
	case key.GetAuthorityCertificate:
		return []State{Active, Disabled, Expired, Revoked, Failed}
	case key.DeleteAuthority:
		return []State{Pending, Disabled, Expired, Revoked, Failed}
	case key.RestoreAuthority:
		return []State{Deleted}
	case key.TagAuthority, key.UntagAuthority, key.PutAuthorityPolicy, key.DeleteAuthorityPolicy,
		key.CreatePermission, key.DeletePermission:
		return []State{Pending, Active, Disabled, Expired, Revoked, Failed}
	}
	return States()
}

// permit returns nil when the state allows the action, else a WrongState
// error.
func (s State) permit(action key.Action) error {
	if slices.Contains(allowed(action), s) {
		return nil
	}
	switch {
	case s == Active && action == key.DeleteAuthority:
		return fault.New(fault.WrongState, "the authority is active: disable it before it is deleted")
	case action == key.RestoreAuthority:
		return fault.New(fault.WrongState, "the authority is not deleted")
	}
	return s.refuse()
}

// refuse returns the WrongState error with the state's reason.
func (s State) refuse() error {
	switch s {
	case Creating:
		return fault.Because(fault.WrongState, fault.AuthorityCreating, "the authority is being made")
	case Pending:
		return fault.Because(fault.WrongState, fault.AuthorityPending, "the authority has no certificate yet")
	case Disabled:
		return fault.Because(fault.WrongState, fault.AuthorityDisabled, "the authority is disabled")
	case Expired:
		return fault.Because(fault.WrongState, fault.AuthorityExpired, "the authority's certificate has expired")
	case Revoked:
		return fault.New(fault.WrongState, "the authority's certificate is revoked")
	case Deleted:
		return fault.Because(fault.WrongState, fault.AuthorityDeleted, "the authority is deleted")
	case Failed:
		return fault.New(fault.WrongState, "the authority's key does not exist any more")
	case Active:
	}
	return fault.New(fault.WrongState, "the authority is %s", s)
}

// state returns the authority's state at a time.
func (a *authority) state(now time.Time) State {
	switch {
	case a.State == Creating || a.State == Deleted || a.State == Revoked:
		return a.State
	case a.lost:
		return Failed
	case a.State == Active && now.After(a.NotAfter), a.State == Disabled && now.After(a.NotAfter):
		return Expired
	}
	return a.State
}

// permit returns nil when the authority's state at a time allows the action,
// else a WrongState error.
func (a *authority) permit(action key.Action, now time.Time) error {
	return a.state(now).permit(action)
}
