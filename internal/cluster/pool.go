package cluster

import (
	"context"
	"crypto"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Pool is the tokens that clusters are made of. All methods may be called at
// the same time; a token that is away is an Unavailable error.
type Pool interface {
	// Names returns the tokens' names in the order in which they are taken.
	Names() []string
	// Look asks a token, logged in to, how it is.
	Look(ctx context.Context, token string) (*Look, error)
	// Contents lists what a token holds.
	Contents(ctx context.Context, token string) (*Contents, error)
	// Initialise makes a token that was never initialised ready for use; it
	// gets the label. One that is initialised is left as it is.
	Initialise(ctx context.Context, token, label string) error
	// Identify returns the signer of the key pair with the label that marks a
	// token, and makes it where there is none. It signs digests of SHA-256.
	Identify(ctx context.Context, token, label string) (crypto.Signer, error)
	// Forget destroys the key pair with the label.
	Forget(ctx context.Context, token, label string) error
}

// Look is what a token says of itself.
type Look struct {
	Label, Serial, Manufacturer, Model string
	// Blank is a token that was never initialised, which the pool can do.
	Blank bool
}

// Contents is what a token holds.
type Contents struct {
	// Marks are the labels of key pairs that Identify has made.
	Marks []string
	// Objects are the keys, without those of Marks.
	Objects []Object
}

// Object is a key in a token, by what may be known of it.
type Object struct {
	Class string `json:"class"` // "private key", "public key", "secret key"
	Type  string `json:"type,omitempty"`
	Label string `json:"label,omitempty"`
	ID    string `json:"id,omitempty"` // hexadecimal
}

// noTokens is the pool of a server that has none.
type noTokens struct{}

func (noTokens) Names() []string { return nil }

func (noTokens) Look(context.Context, string) (*Look, error)         { return nil, errNoTokens() }
func (noTokens) Contents(context.Context, string) (*Contents, error) { return nil, errNoTokens() }
func (noTokens) Initialise(context.Context, string, string) error    { return errNoTokens() }
func (noTokens) Forget(context.Context, string, string) error        { return errNoTokens() }
func (noTokens) Identify(context.Context, string, string) (crypto.Signer, error) {
	return nil, errNoTokens()
}

func errNoTokens() error {
	return fault.New(fault.Unavailable, "the server is configured with no tokens that HSMs could be made of (hsm.pool)")
}

// looks keeps for a moment what tokens said, so that asking how a cluster is
// costs little.
type looks struct {
	mu    sync.Mutex // guards known
	known map[string]seen
}

// seen is a look at a token, or why it failed.
type seen struct {
	at   time.Time
	look *Look
	err  error
}

// lookAge is how long a look is good, and lookTimeout how long it may take.
const (
	lookAge     = 2 * time.Second
	lookTimeout = 3 * time.Second
)

// look returns how a token is: now, or a moment ago.
func (s *Service) look(ctx context.Context, token string) (*Look, error) {
	s.looks.mu.Lock()
	last, ok := s.looks.known[token]
	s.looks.mu.Unlock()
	if ok && s.now().Sub(last.at).Abs() < lookAge {
		return last.look, last.err
	}
	return s.lookNow(ctx, token)
}

// lookNow looks at a token, and says in the log when it has gone or come back.
func (s *Service) lookNow(ctx context.Context, token string) (*Look, error) {
	limited, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	l, err := s.pool.Look(limited, token)
	if ctx.Err() != nil {
		return nil, ctx.Err() // it says nothing about the token
	}
	s.looks.mu.Lock()
	last, known := s.looks.known[token]
	s.looks.known[token] = seen{s.now(), l, err}
	s.looks.mu.Unlock()
	switch {
	case err != nil && (!known || last.err == nil):
		s.log.WarnContext(ctx, "a token of the pool does not serve", slog.String("token", token), slog.Any("cause", err))
	case err == nil && known && last.err != nil:
		s.log.InfoContext(ctx, "a token of the pool serves again", slog.String("token", token))
	}
	return l, err
}

// forgetLook makes the next look a new one: the token was changed.
func (s *Service) forgetLook(token string) {
	s.looks.mu.Lock()
	defer s.looks.mu.Unlock()
	delete(s.looks.known, token)
}

// examine brings the states of the clusters' HSMs up to date. Tokens are
// looked at together: one that hangs holds up the answer once.
func (s *Service) examine(ctx context.Context, clusters ...*Cluster) {
	var done sync.WaitGroup
	for _, c := range clusters {
		for i := range c.HSMs {
			done.Go(func() { s.judge(ctx, &c.HSMs[i]) })
		}
	}
	done.Wait()
}

// judge finds out the state of an HSM that is not in the making.
func (s *Service) judge(ctx context.Context, h *HSM) {
	if h.State == HSMCreating {
		return
	}
	h.State, h.Why = HSMActive, ""
	l, err := s.look(ctx, h.Token)
	switch {
	case err != nil:
		h.State, h.Why = HSMDegraded, "the token cannot be used"
		if e := publicOf(err); e != "" {
			h.Why = e
		}
	case l.Serial != h.Serial:
		h.State, h.Why = HSMDegraded, "another token is in its place: its serial number is "+l.Serial+", not "+h.Serial
	}
}
