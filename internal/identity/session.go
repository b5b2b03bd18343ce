package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// sessionRecord is what a session token holds, as JSON that seal.Root
// encrypts: the server keeps nothing of a session. The token is the base64url
// form of the result.
type sessionRecord struct {
	V         int           `json:"v"`
	ID        string        `json:"id"`
	Secret    string        `json:"secret"`
	Principal key.Principal `json:"principal"`
	UserID    string        `json:"user"`
	IssuedAt  time.Time     `json:"issued"`
	Expires   time.Time     `json:"expires"`

	// Since version 2.

	FactorAt   time.Time         `json:"factor,omitzero"`
	Tags       []key.Tag         `json:"tags,omitempty"`
	Assumption *assumptionRecord `json:"assumption,omitempty"`
}

// sessionVersion is the version of sessionRecord. Those of version 1 are read.
const sessionVersion = 2

// assumptionRecord is key.Assumption as it is in a token.
type assumptionRecord struct {
	Limit          documentRecord `json:"limit,omitzero"`
	SourceIdentity string         `json:"source,omitempty"`
	Transitive     []string       `json:"transitive,omitempty"`
	Issuer         string         `json:"issuer,omitempty"`
	Claims         []key.Tag      `json:"claims,omitempty"`
	Person         string         `json:"person,omitempty"`
}

const sessionPurpose = "session token"

// maxToken is the longest session token, in characters: a session policy, 50
// tags and the claims of a web identity have room in it.
const maxToken = 64 << 10

// Lengths of sessions (the API reference of AWS STS GetSessionToken).
const (
	MinSession = 15 * time.Minute
	MaxSession = 36 * time.Hour
)

// newSession returns a session of a caller, and its token.
func (d *Directory) newSession(c *key.Caller, length time.Duration) (*NewSession, error) {
	now := d.now().UTC()
	s := sessionRecord{
		V: sessionVersion, ID: newIdentifier(sessionPrefix), Secret: newSecret().text,
		Principal: c.Principal, UserID: c.UserID, IssuedAt: now, Expires: now.Add(length), Tags: c.Tags,
	}
	if c.MFA {
		s.FactorAt = c.FactorAt.UTC()
	}
	if a := c.Assumption; a != nil {
		s.Assumption = &assumptionRecord{documentRecord(a.Limit), a.SourceIdentity, a.Transitive, a.Issuer, a.Claims, a.Person}
	}
	text, err := json.Marshal(s) //nolint:gosec // it is encrypted in the next lines
	if err != nil {
		return nil, err
	}
	token := base64.RawURLEncoding.EncodeToString(d.root.Seal(sessionPurpose, text, nil))
	if len(token) > maxToken {
		return nil, fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "the session's policy, tags and claims are too long together")
	}
	return &NewSession{ID: s.ID, Secret: s.Secret, Token: token, Expires: s.Expires}, nil
}

// SessionCredential returns the temporary credential of a session token, for
// the proof. A token that is not ours or not of this id, or whose user is
// gone, is an Unauthenticated error; so is one that has expired.
func (d *Directory) SessionCredential(id, token string) (*Credential, error) {
	unknown := fault.Because(fault.Unauthenticated, fault.UnknownCredential, "the session token is not known")
	if len(token) > maxToken {
		return nil, unknown
	}
	hash := sha256.Sum256([]byte(token))
	c, ok := d.sessions.get(hash)
	if !ok {
		var err error
		if c, err = d.parseSession(token); err != nil {
			return nil, unknown
		}
		d.sessions.put(hash, c)
	}
	if c.ID != id {
		return nil, unknown
	}
	if !d.current.Load().has(&c.Caller) {
		return nil, unknown
	}
	if !d.now().Before(c.Expires) {
		return nil, fault.Because(fault.Unauthenticated, fault.ExpiredCredential, "the session has expired")
	}
	return c, nil
}

// has reports whether whom a session is of is still there: the user, or the
// role, and not another of its name.
func (s *state) has(c *key.Caller) bool {
	switch p := c.Principal; p.Kind {
	case key.User:
		u, ok := s.users[userRow(p.Realm, p.Name)]
		return ok && u.ID == c.UserID
	case key.Session:
		r, ok := s.roles[userRow(p.Realm, roleOf(p.Name))]
		id, _, _ := strings.Cut(c.UserID, ":")
		return ok && r.ID == id
	case key.Root:
		return true
	case key.Role, key.Service, key.Federated, key.Anonymous:
	}
	return false
}

func (d *Directory) parseSession(token string) (*Credential, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, err
	}
	text, err := d.root.Unseal(sessionPurpose, sealed, nil)
	if err != nil {
		return nil, err
	}
	var s sessionRecord
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	if s.V < 1 || s.V > sessionVersion {
		return nil, fmt.Errorf("session tokens of version %d are not known to this program", s.V)
	}
	c := &Credential{
		ID: s.ID, Secret: Secret{s.Secret}, Expires: s.Expires,
		Caller: key.Caller{
			Principal: s.Principal, Credential: s.ID, UserID: s.UserID, AuthenticatedAt: s.IssuedAt,
			MFA: !s.FactorAt.IsZero(), FactorAt: s.FactorAt, Tags: s.Tags,
		},
	}
	if a := s.Assumption; a != nil {
		c.Caller.Assumption = &key.Assumption{
			Limit: key.Document(a.Limit), SourceIdentity: a.SourceIdentity, Transitive: a.Transitive, Issuer: a.Issuer, Claims: a.Claims, Person: a.Person,
		}
	}
	return c, nil
}

// sessionPolicies are the policies of a session's role, and what limits them.
func (d *Directory) sessionPolicies(c *key.Caller) []*policy.Policy {
	r, ok := d.current.Load().roles[userRow(c.Principal.Realm, roleOf(c.Principal.Name))]
	switch {
	case !ok:
		return nil
	case c.Assumption == nil || c.Assumption.Limit.Text == "":
		return r.policies
	}
	return append([]*policy.Policy{d.sessions.limit(c.Assumption, d.compile)}, r.policies...)
}

// roleOf returns the role of a session's name, "path/role/session".
func roleOf(session string) string {
	return session[:max(strings.LastIndexByte(session, '/'), 0)]
}

// sessionCache keeps the sessions that are in use, so that their tokens are
// decrypted once and their credentials stay the same pointers.
type sessionCache struct {
	mu     sync.RWMutex // guards what follows
	parsed map[[sha256.Size]byte]*Credential
	// limits are the session policies in their canonical form.
	limits map[*key.Assumption]*policy.Policy
}

func (c *sessionCache) empty() {
	c.parsed, c.limits = map[[sha256.Size]byte]*Credential{}, map[*key.Assumption]*policy.Policy{}
}

// limit returns the compiled session policy of a session. One that cannot be
// compiled, though it could be when the session was made, allows nothing.
func (c *sessionCache) limit(a *key.Assumption, compile func(key.Document) (*policy.Policy, error)) *policy.Policy {
	c.mu.RLock()
	p, ok := c.limits[a]
	c.mu.RUnlock()
	if ok {
		return p
	}
	p, err := compile(a.Limit)
	if err != nil {
		p = new(policy.Policy)
	}
	p = p.Limit()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.limits) >= maxSessions {
		clear(c.limits)
	}
	c.limits[a] = p
	return p
}

// maxSessions is how many sessions are kept; a full cache starts again.
const maxSessions = 10_000

func (c *sessionCache) get(hash [sha256.Size]byte) (*Credential, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	credential, ok := c.parsed[hash]
	return credential, ok
}

func (c *sessionCache) put(hash [sha256.Size]byte, credential *Credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.parsed) >= maxSessions {
		clear(c.parsed)
	}
	c.parsed[hash] = credential
}
