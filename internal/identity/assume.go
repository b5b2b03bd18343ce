package identity

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

// Limits of sessions of roles (AWS STS API reference, AssumeRole).
const (
	maxSessionName = 64
	maxExternalID  = 1224
	// MaxSessionPolicy is the longest session policy, in bytes.
	MaxSessionPolicy = 2048
	maxSessionTags   = 50
	// maxChained is the longest session that one of a role can make of another.
	maxChained = time.Hour
)

// AssumeRequest asks for a session of a role.
type AssumeRequest struct {
	// Role is of the kind key.Role, in whatever realm.
	Role    key.Principal
	Session string // its name
	// Length is an hour when it is 0.
	Length time.Duration
	// Policy limits the session further; without a text, nothing does.
	Policy key.Document
	// ExternalID is what the role's owner agreed on with the caller,
	// SourceIdentity who is behind it.
	ExternalID, SourceIdentity string
	// Tags are for the session, beside the role's; Transitive are the keys of
	// those that sessions made from it keep.
	Tags       []key.Tag
	Transitive []string
	// Factor and Code are as in SessionRequest.
	Factor, Code string
}

// RoleSession is a temporary credential of a role, which is shown this once.
type RoleSession struct {
	NewSession
	// Principal is the session, UserID the role's id and the session's name.
	Principal      key.Principal
	UserID         string
	SourceIdentity string
	// Token is what the web identity's token said, nil for others, and Issuer
	// whose it was.
	Web    *webidentity.Claims
	Issuer *Issuer
}

// AssumeRole returns a session of a role to whom the role's trust policy, and
// for callers of other realms or whom it does not name their own, lets in.
func (a *Admin) AssumeRole(ctx context.Context, call *key.Call, r *AssumeRequest) (*RoleSession, error) {
	return guard.Do(ctx, a.guard, call, key.AssumeRole, func(v *guard.Visit) (*RoleSession, error) {
		v.About(roleResource(r.Role.Realm, r.Role.Name))
		if err := r.check(); err != nil {
			return nil, err
		}
		v.Note("session", r.Session)
		if k := call.Caller.Principal.Kind; k != key.User && k != key.Session {
			t := guard.Target{Action: key.AssumeRole, Resource: roleResource(r.Role.Realm, r.Role.Name)}
			return nil, v.Deny(t, fault.NoResourcePolicyAllows, "only users and sessions of roles assume roles")
		}
		if err := a.proveFactor(ctx, v, r.Factor, r.Code); err != nil {
			return nil, err
		}
		role, err := a.admit(v, key.AssumeRole, r)
		if err != nil {
			return nil, err
		}
		return a.assume(v, role, r, nil)
	})
}

// WebIdentityRequest asks for a session of a role by a token.
type WebIdentityRequest struct {
	Role    key.Principal
	Session string
	Length  time.Duration
	Policy  key.Document
	Token   string
}

// AssumeRoleWithWebIdentity returns a session of a role to whom an issuer of
// the role's realm vouches for, if the role's trust policy lets it in. The call
// has no caller yet.
func (a *Admin) AssumeRoleWithWebIdentity(ctx context.Context, call *key.Call, w *WebIdentityRequest) (*RoleSession, error) {
	return guard.Do(ctx, a.guard, call, key.AssumeRoleWithWebIdentity, func(v *guard.Visit) (*RoleSession, error) {
		v.About(roleResource(w.Role.Realm, w.Role.Name))
		r := &AssumeRequest{Role: w.Role, Session: w.Session, Length: w.Length, Policy: w.Policy}
		if err := r.check(); err != nil {
			return nil, err
		}
		v.Note("session", r.Session)
		issuer, claims, err := a.verify(ctx, v, w)
		if err != nil {
			return nil, err
		}
		v.Identify(webCaller(issuer, claims))
		r.Tags, r.Transitive, r.SourceIdentity = claims.Tags, claims.Transitive, claims.SourceIdentity
		if err := r.checkExtras(); err != nil {
			return nil, err
		}
		role, err := a.admit(v, key.AssumeRoleWithWebIdentity, r)
		if err != nil {
			return nil, err
		}
		s, err := a.assume(v, role, r, v.Call.Caller.Assumption)
		if err != nil {
			return nil, err
		}
		s.Web, s.Issuer = claims, issuer
		return s, nil
	})
}

// verify finds out who a token is of.
func (a *Admin) verify(ctx context.Context, v *guard.Visit, w *WebIdentityRequest) (*Issuer, *webidentity.Claims, error) {
	token, err := webidentity.Parse(w.Token)
	if err != nil {
		return nil, nil, err
	}
	issuer, ok := a.directory.current.Load().issuers[userRow(w.Role.Realm, webidentity.Name(token.Issuer))]
	if !ok || issuer.URL != token.Issuer {
		return nil, nil, fault.Because(fault.Unauthenticated, fault.InvalidIdentityToken,
			"No OpenIDConnect provider found in your account for %s", token.Issuer)
	}
	v.Note("issuer", issuer.URL)
	claims, err := issuer.Verify(ctx, token, a.directory.now())
	if err != nil {
		return nil, nil, err
	}
	return issuer, claims, nil
}

// webCaller is whom an issuer vouches for.
func webCaller(i *Issuer, c *webidentity.Claims) key.Caller {
	claims := []key.Tag{{Key: "sub", Value: c.Subject}}
	for _, several := range []struct {
		name   string
		values []string
	}{{"aud", c.Audiences}, {"oaud", c.Original}, {"amr", c.Methods}} {
		for _, v := range several.values {
			claims = append(claims, key.Tag{Key: several.name, Value: v})
		}
	}
	return key.Caller{
		Principal: key.Principal{Realm: i.Realm, Kind: key.Federated, Name: i.Name()}, Credential: c.Subject,
		UserID: i.Name() + ":" + c.Audiences[0] + ":" + c.Subject, Method: "oidc",
		Assumption: &key.Assumption{Person: i.Name() + ":" + c.Subject, Issuer: i.Name(), Claims: claims},
	}
}

// check refuses what no role would be assumed with.
func (r *AssumeRequest) check() error {
	switch {
	case r.Role.Kind != key.Role || !r.Role.Realm.Valid() || checkRoleName(r.Role.Name) != nil:
		return fault.New(fault.InvalidArgument, "what is to be assumed is not the name of a role")
	case len(r.Session) < 2 || checkName(r.Session) != nil:
		return fault.New(fault.InvalidArgument, "a session's name has 2 to %d letters, digits and +=,.@_- characters", maxSessionName)
	case len(r.ExternalID) == 1 || len(r.ExternalID) > maxExternalID:
		return fault.New(fault.InvalidArgument, "an external id has 2 to %d characters", maxExternalID)
	case r.Length != 0 && (r.Length < MinSession || r.Length > MaxRoleSession):
		return fault.New(fault.InvalidArgument, "a session of a role lasts from %s to %s", MinSession, MaxRoleSession)
	case len(r.Policy.Text) > MaxSessionPolicy:
		return fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "a session policy has at most %d bytes", MaxSessionPolicy)
	}
	r.Length = cmp.Or(r.Length, time.Hour)
	return r.checkExtras()
}

// checkExtras refuses what a session cannot have for its tags and source.
func (r *AssumeRequest) checkExtras() error {
	if s := r.SourceIdentity; s != "" && (len(s) < 2 || checkName(s) != nil) {
		return fault.New(fault.InvalidArgument, "a source identity has 2 to %d letters, digits and +=,.@_- characters", maxSessionName)
	}
	if len(r.Tags) > maxSessionTags || len(r.Transitive) > maxSessionTags {
		return fault.Because(fault.LimitExceeded, fault.TooManyTags, "a session has at most %d tags", maxSessionTags)
	}
	if _, err := key.MergeTags(nil, r.Tags); err != nil {
		return err
	}
	for _, name := range r.Transitive {
		if !slices.ContainsFunc(r.Tags, func(t key.Tag) bool { return t.Key == name }) {
			return fault.New(fault.InvalidArgument, "the transitive tag %q is none of the session's tags", name)
		}
	}
	return nil
}

// admit asks the trust policy, and returns the role. Tags and a source identity
// are rights of their own. A role that is not there is refused as one that
// trusts nobody: who asks does not learn which there are.
func (a *Admin) admit(v *guard.Visit, action key.Action, r *AssumeRequest) (*role, error) {
	t := guard.Target{Action: action, Resource: roleResource(r.Role.Realm, r.Role.Name)}
	role, ok := a.directory.current.Load().roles[userRow(r.Role.Realm, r.Role.Name)]
	if !ok {
		return nil, v.Deny(t, fault.NoResourcePolicyAllows, "the role does not exist")
	}
	t.Policy = role.trust
	t.Attributes = &policy.Attributes{Tags: r.Tags, ResourceTags: role.Tags, Assume: &policy.Assume{
		ExternalID: r.ExternalID, SessionName: r.Session, SourceIdentity: r.SourceIdentity, Transitive: r.Transitive,
		Seconds: int(r.Length / time.Second),
	}}
	actions := []key.Action{action}
	if len(r.Tags) > 0 {
		actions = append(actions, key.TagSession)
	}
	if r.SourceIdentity != "" {
		actions = append(actions, key.SetSourceIdentity)
	}
	for _, t.Action = range actions {
		if err := v.Authorize(t); err != nil {
			return nil, err
		}
	}
	if have := v.Call.Caller.Assumption; have != nil && have.SourceIdentity != "" && r.SourceIdentity != "" && have.SourceIdentity != r.SourceIdentity {
		return nil, v.Deny(t, fault.NoResourcePolicyAllows, "the session's source identity cannot change")
	}
	return role, nil
}

// assume makes the session. Web is what an issuer says of the caller, nil for
// other callers.
func (a *Admin) assume(v *guard.Visit, role *role, r *AssumeRequest, web *key.Assumption) (*RoleSession, error) {
	by := &v.Call.Caller
	switch chained := by.Principal.Kind == key.Session; {
	case r.Length > role.MaxSession:
		return nil, fault.New(fault.InvalidArgument, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case chained && r.Length > maxChained:
		return nil, fault.New(fault.InvalidArgument, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if r.Policy.Text != "" {
		if _, err := a.directory.compile(r.Policy); err != nil {
			return nil, err
		}
	}
	tags, transitive, err := sessionTags(role.Tags, by, r)
	if err != nil {
		return nil, err
	}
	how := &key.Assumption{Limit: r.Policy, SourceIdentity: r.SourceIdentity, Transitive: transitive, Person: by.Person()}
	if web != nil {
		how.Issuer, how.Claims = web.Issuer, web.Claims
	} else if by.Assumption != nil {
		how.SourceIdentity = cmp.Or(r.SourceIdentity, by.Assumption.SourceIdentity)
	}
	c := key.Caller{
		Principal: key.Principal{Realm: role.Realm, Kind: key.Session, Name: role.Name + "/" + r.Session},
		UserID:    role.ID + ":" + r.Session, MFA: by.MFA, FactorAt: factorTime(by), Tags: tags, Assumption: how,
	}
	s, err := a.directory.newSession(&c, r.Length)
	if err != nil {
		return nil, err
	}
	v.Note("credential", s.ID)
	if how.SourceIdentity != "" {
		v.Note("source identity", how.SourceIdentity)
	}
	return &RoleSession{NewSession: *s, Principal: c.Principal, UserID: c.UserID, SourceIdentity: how.SourceIdentity}, nil
}

// factorTime is when the caller's second factor was proved.
func factorTime(c *key.Caller) time.Time {
	if c.MFA && c.FactorAt.IsZero() {
		return c.AuthenticatedAt
	}
	return c.FactorAt
}

// sessionTags returns a session's tags and the keys of those that are
// transitive: the role's, over them those asked for, and those that the
// caller's own session hands on, which nobody can change.
func sessionTags(role []key.Tag, by *key.Caller, r *AssumeRequest) ([]key.Tag, []string, error) {
	tags, transitive := slices.Clone(role), slices.Clone(r.Transitive)
	add := r.Tags
	if by.Assumption != nil {
		for _, t := range by.Tags {
			if !slices.Contains(by.Assumption.Transitive, t.Key) {
				continue
			}
			if slices.ContainsFunc(r.Tags, func(o key.Tag) bool { return strings.EqualFold(o.Key, t.Key) }) {
				return nil, nil, fault.New(fault.InvalidArgument, "the tag %q is a transitive one of the caller's session", t.Key)
			}
			add = append(slices.Clone(add), t)
			transitive = append(transitive, t.Key)
		}
	}
	for _, t := range add {
		tags = slices.DeleteFunc(tags, func(o key.Tag) bool { return strings.EqualFold(o.Key, t.Key) })
	}
	tags = append(tags, add...)
	slices.SortFunc(tags, func(a, b key.Tag) int { return strings.Compare(a.Key, b.Key) })
	slices.Sort(transitive)
	return tags, transitive, nil
}

// AccessKeyRealm returns the realm that an access key id belongs to.
func (a *Admin) AccessKeyRealm(ctx context.Context, call *key.Call, id string) (key.RealmID, error) {
	return guard.Do(ctx, a.guard, call, key.GetAccessKeyInfo, func(v *guard.Visit) (key.RealmID, error) {
		t := guard.Target{Action: key.GetAccessKeyInfo, Resource: key.Resource{Realm: call.Caller.Principal.Realm}}
		if err := v.Authorize(t); err != nil {
			return "", err
		}
		k, ok := a.directory.current.Load().keys[id]
		if !ok {
			return "", fault.New(fault.InvalidArgument, "there is no such access key; sessions' are not kept")
		}
		return k.credential.Caller.Principal.Realm, nil
	})
}
