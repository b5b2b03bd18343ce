package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
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
}

const sessionPurpose = "session token"

// maxToken is the longest session token, in characters.
const maxToken = 4096

// Lengths of sessions (the API reference of AWS STS GetSessionToken).
const (
	MinSession = 15 * time.Minute
	MaxSession = 36 * time.Hour
)

// newSession returns a session of a caller, and its token.
func (d *Directory) newSession(c *key.Caller, length time.Duration) (*NewSession, error) {
	now := d.now().UTC()
	s := sessionRecord{
		V: recordVersion, ID: newIdentifier(sessionPrefix), Secret: newSecret().text,
		Principal: c.Principal, UserID: c.UserID, IssuedAt: now, Expires: now.Add(length),
	}
	text, err := json.Marshal(s) //nolint:gosec // it is encrypted in the next lines
	if err != nil {
		return nil, err
	}
	token := base64.RawURLEncoding.EncodeToString(d.root.Seal(sessionPurpose, text, nil))
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
	if p := c.Caller.Principal; p.Kind == key.User {
		if u, there := d.current.Load().users[userRow(p.Realm, p.Name)]; !there || u.ID != c.Caller.UserID {
			return nil, unknown
		}
	}
	if !d.now().Before(c.Expires) {
		return nil, fault.Because(fault.Unauthenticated, fault.ExpiredCredential, "the session has expired")
	}
	return c, nil
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
	return &Credential{
		ID: s.ID, Secret: Secret{s.Secret}, Expires: s.Expires,
		Caller: key.Caller{Principal: s.Principal, Credential: s.ID, UserID: s.UserID, AuthenticatedAt: s.IssuedAt},
	}, nil
}

// sessionCache keeps the sessions that are in use, so that their tokens are
// decrypted once and their credentials stay the same pointers.
type sessionCache struct {
	mu     sync.RWMutex // guards parsed
	parsed map[[sha256.Size]byte]*Credential
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
