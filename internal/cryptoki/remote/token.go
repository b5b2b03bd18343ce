package remote

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The tags of a key that PKCS #11 names it by.
const (
	// TagLabel has CKA_LABEL.
	TagLabel = "pkcs11:label"
	// TagID has CKA_ID in hexadecimal.
	TagID = "pkcs11:id"
)

// Config says what a token is over. Label and Server are needed.
type Config struct {
	// Label is the token's name (CK_TOKEN_INFO.label), Serial its number there;
	// without one it is made of the server's address and the label.
	Label, Serial string
	// Server is the server with its region. The credential in it is the token's
	// own where Own is set; else it is left out.
	Server client.Config
	// Own lets applications use the token as whoever the credential of Server is:
	// those that give PIN, or without one all.
	Own bool
	// PIN is chosen freely: some programs take no PIN that is as long as a
	// credential.
	PIN []byte
	// AccessKeyID is whose secret a PIN is, where it is a secret only.
	AccessKeyID string
	// Keyless is how signatures go to a key server; nil for none.
	Keyless *Keyless
	// Choice are the keys that the token shows.
	Choice Choice
	// AllCertificates shows every valid certificate of a key, and not only those
	// that applications have written and the best one.
	AllCertificates bool
	// Fresh is how long the list of keys is used without asking the server again;
	// 0 stands for 3 s. What is known of a key that stays in the list is asked for
	// ten times as rarely.
	Fresh time.Duration
	// Log is nil for none.
	Log *slog.Logger
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Limits.
const (
	// maxAccounts is how many credentials use a token at the same time.
	maxAccounts = 256
	// minPIN is the shortest PIN of a configuration, in bytes.
	minPIN = 4
	// parallel is how many requests a listing sends at the same time.
	parallel = 8
	// lingering is how long what a credential has of the token is kept for the
	// next application that logs in with it.
	lingering = time.Minute
	// defaultFresh is Config.Fresh's default.
	defaultFresh = 3 * time.Second
	// staleAfter is how long the last list is used when the server cannot be asked.
	staleAfter = 10 * time.Minute
)

// Token is a token.Token over a server.
type Token struct {
	config Config
	log    *slog.Logger
	now    func() time.Time

	mu       sync.Mutex // guards what follows
	closed   bool
	others   *client.Client // of the applications with PINs: all over the same connections
	accounts map[[sha256.Size]byte]*account
}

var _ token.Token = (*Token)(nil)

// New returns a token. It asks the server nothing yet.
func New(c Config) (*Token, error) {
	if c.Label == "" {
		return nil, errors.New("a token needs a label")
	}
	if len(c.PIN) > 0 && (len(c.PIN) < minPIN || !c.Own) {
		return nil, fmt.Errorf("a PIN of a token has at least %d characters, and is for the token's own credential", minPIN)
	}
	if err := c.Choice.check(); err != nil {
		return nil, err
	}
	if c.Fresh <= 0 {
		c.Fresh = defaultFresh
	}
	if c.Serial == "" {
		c.Serial = serialOf(c.Server.Address, c.Server.Region, c.Label)
	}
	t := &Token{config: c, log: c.Log, now: c.Now, accounts: map[[sha256.Size]byte]*account{}}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.now == nil {
		t.now = time.Now
	}
	t.log = t.log.With(slog.String("token", c.Label))
	probe := c.Server
	if !c.Own { // what is wrong with the address is told now, not at the first login
		probe = anonymous(c.Server)
		probe.AccessKeyID, probe.SecretAccessKey = "none", "none"
	}
	_, err := client.New(probe)
	return t, err
}

// Describe implements token.Token.
func (t *Token) Describe() token.Description {
	return token.Description{
		Label: t.config.Label, Serial: t.config.Serial, Model: "Holdfast", Manufacturer: "Holdfast", LoginRequired: !t.open(),
	}
}

// Login implements token.Token. It asks the server who the credential is,
// each time, and which keys there are when they are wanted next.
func (t *Token) Login(ctx context.Context, pin []byte) (token.Holder, error) {
	c, err := t.credential(pin)
	if err != nil {
		return nil, err
	}
	a, err := t.take(c)
	if err != nil {
		return nil, err
	}
	who, err := a.client.WhoAmI(ctx)
	if err != nil {
		a.release()
		return nil, failure("pkcs11.Login", err)
	}
	t.log.DebugContext(ctx, "logged in", slog.String("realm", who.Realm), slog.String("kind", who.Kind), slog.String("name", who.Name))
	a.stale.Store(true) // a program that begins finds what was made before it
	return &holder{account: a}, nil
}

// take returns what a credential has of the token, one more time in use.
func (t *Token) take(c credential) (*account, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fault.New(fault.Unavailable, "the token is being closed")
	}
	digest := c.digest()
	a := t.accounts[digest]
	if a == nil {
		if len(t.accounts) >= maxAccounts && !t.evict() {
			return nil, fault.New(fault.LimitExceeded, "%d credentials use the token already", maxAccounts)
		}
		asks, err := t.connect(c)
		if err != nil {
			return nil, err
		}
		if a, err = newAccount(t, digest, asks, c); err != nil {
			return nil, err
		}
		t.accounts[digest] = a
	}
	a.uses++
	if a.idle != nil {
		a.idle.Stop()
		a.idle = nil
	}
	return a, nil
}

// connect returns the client of a credential. t.mu is held.
func (t *Token) connect(c credential) (*client.Client, error) {
	switch {
	case c.own:
		return newClient(t.config.Server)
	case t.others == nil:
		settings := anonymous(t.config.Server)
		settings.AccessKeyID, settings.SecretAccessKey, settings.SessionToken = c.id, c.secret, c.session
		made, err := newClient(settings)
		t.others = made
		return made, err
	}
	return t.others.As(c.id, c.secret, c.session)
}

func newClient(c client.Config) (*client.Client, error) {
	made, err := client.New(c)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "pkcs11.Login", Public: "the server cannot be asked", Err: err}
	}
	return made, nil
}

// anonymous is a server without a credential.
func anonymous(c client.Config) client.Config {
	c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.ClientCertificate, c.ClientKey = "", "", "", "", ""
	return c
}

// evict ends an account that nobody uses. t.mu is held.
func (t *Token) evict() bool {
	for _, a := range t.accounts {
		if a.uses == 0 {
			a.end()
			return true
		}
	}
	return false
}

// Close ends all connections. Holders are closed before.
func (t *Token) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, a := range t.accounts {
		a.end()
	}
	if t.others != nil {
		t.others.CloseIdleConnections()
	}
	return nil
}
