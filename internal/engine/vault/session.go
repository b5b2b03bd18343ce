package vault

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// session has a token and keeps it: it logs in when the first request comes,
// renews the lease, logs in again before it ends, and when the server does not
// know the token any more.
type session struct {
	api   *api.Client // sends requests, with the token
	auth  *api.Client // logs in and renews
	from  source
	log   *slog.Logger
	bound time.Duration // of a login that no request waits for

	turn    chan struct{} // holds one, of whoever logs in
	stop    func()        // ends the renewal of the token; guarded by turn
	done    chan struct{} // closed when the session is
	once    sync.Once
	keepers sync.WaitGroup
}

func newSession(o Options) (*session, error) {
	from, err := newSource(&o)
	if err != nil {
		return nil, err
	}
	requests, err := newClient(&o, 0)
	if err != nil {
		return nil, err
	}
	logins, err := newClient(&o, o.Attempt)
	if err != nil {
		return nil, err
	}
	s := &session{
		api: requests, auth: logins, from: from, log: o.Log.With(slog.String("engine", o.Name)), bound: o.Attempt,
		turn: make(chan struct{}, 1), stop: func() {}, done: make(chan struct{}),
	}
	return s, nil
}

// notIn is that the session has no token.
type notIn struct{ err error }

// Error returns why.
func (n *notIn) Error() string { return "logging in: " + n.err.Error() }

// Unwrap returns the cause.
func (n *notIn) Unwrap() error { return n.err }

// token returns the token, and gets one when there is none.
func (s *session) token(ctx context.Context) (string, error) {
	if t := s.api.Token(); t != "" {
		return t, nil
	}
	return s.renew(ctx, "")
}

// replace gets another token when the one with which a request was refused has
// ended; else it returns the refusal. That the token may not do something is
// told from its end by asking for the token itself, where the server does not
// say it.
func (s *session) replace(ctx context.Context, token string, refusal error) error {
	if !wire.ErrorOf(refusal).Says(wire.TextInvalidToken) && s.api.Token() == token {
		_, err := s.api.Auth().Token().LookupSelfWithContext(ctx)
		if !refused(understood(nil, err)) {
			return refusal
		}
	}
	_, err := s.renew(ctx, token)
	return err
}

// renew returns another token than old. Of several that ask, one logs in.
func (s *session) renew(ctx context.Context, old string) (string, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return "", &notIn{ctx.Err()}
	}
	defer func() { <-s.turn }()
	if t := s.api.Token(); t != old && t != "" {
		return t, nil
	}
	select {
	case <-s.done:
		return "", &notIn{fmt.Errorf("the engine was closed")}
	default:
	}
	s.stop()
	s.stop = func() {}
	secret, err := s.from.login(ctx, s.auth)
	if err == nil && secret.Auth.ClientToken == old {
		err = fmt.Errorf("the token has ended, and there is no other")
	}
	if err != nil {
		s.api.ClearToken()
		return "", &notIn{err}
	}
	s.api.SetToken(secret.Auth.ClientToken)
	s.keep(ctx, secret)
	return secret.Auth.ClientToken, nil
}

// keep renews a token's lease until it cannot be renewed any longer, and logs
// in again then. The caller has the turn.
func (s *session) keep(ctx context.Context, secret *api.Secret) {
	if secret.Auth.LeaseDuration == 0 {
		return
	}
	w, err := s.auth.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: secret})
	if err != nil {
		s.log.WarnContext(ctx, "the lease of the token for the key service is not renewed", slog.Any("cause", err)) // there is a secret: it does not happen
		return
	}
	var stopped sync.Once
	ended := make(chan struct{})
	s.stop = func() { stopped.Do(func() { close(ended); w.Stop() }) }
	s.keepers.Go(func() {
		w.Start() // until the lease is about to end
		select {
		case <-ended:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.bound)
		defer cancel()
		if _, err := s.renew(ctx, secret.Auth.ClientToken); err != nil {
			s.log.WarnContext(ctx, "the token for the key service ends and there is no other yet", slog.Any("cause", err))
		}
	})
}

// close ends the session: nothing is renewed after it.
func (s *session) close() error {
	s.once.Do(func() {
		s.turn <- struct{}{}
		close(s.done)
		s.stop()
		<-s.turn
		s.keepers.Wait()
		if s.from.ours() && s.api.Token() != "" {
			ctx, cancel := context.WithTimeout(context.Background(), min(s.bound, 2*time.Second))
			defer cancel()
			if err := s.api.Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
				s.log.InfoContext(ctx, "the token for the key service is left to end by itself", slog.Any("cause", understood(nil, err)))
			}
		}
		s.api.ClearToken()
		s.auth.ClearToken()
		for _, c := range []*api.Client{s.api, s.auth} {
			c.CloneConfig().HttpClient.CloseIdleConnections()
		}
	})
	return nil
}
