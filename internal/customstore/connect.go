package customstore

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// link is a key store's connection, or what there is of it. Service.mu guards
// its fields.
type link struct {
	state      State
	failure    Failure
	connection *Connection // with Connected
	cancel     context.CancelFunc
}

// connectTimeout is how long connecting may take.
const connectTimeout = time.Minute

// mode says why a key store is connected.
type mode uint8

const (
	asked mode = iota // somebody asked for it
	again             // it was connected before: tokens that are away may come back
)

// Connect begins to connect a key store to its cluster, and returns before
// that is done; List shows how it goes. One that is connected, or about to be,
// stays so.
func (s *Service) Connect(ctx context.Context, call *key.Call, id string) error {
	return s.change(ctx, call, key.ConnectKeyStore, id, func(v *guard.Visit, st *Store) error {
		switch st.State {
		case Connected, Connecting:
			return dry(call)
		case Failed:
			return forbids(st)
		case Disconnected:
		}
		c, err := s.clusters.Find(ctx, st.Realm, st.Region, st.Cluster)
		if err != nil && fault.ReasonOf(err) != fault.NoSuchCluster { // which becomes the Failure
			return err
		}
		if err == nil {
			if err := serves(c); fault.ReasonOf(err) == fault.ClusterNotActive {
				return err
			}
		}
		if err := dry(call); err != nil {
			return err
		}
		st.Wanted = true
		if err := s.put(ctx, v, st); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.begin(st, asked)
		return nil
	})
}

// Disconnect ends a key store's connection, also one that is being made or
// has failed. The keys in the store are unavailable from then on.
func (s *Service) Disconnect(ctx context.Context, call *key.Call, id string) error {
	return s.change(ctx, call, key.DisconnectKeyStore, id, func(v *guard.Visit, st *Store) error {
		if st.State == Disconnected {
			return forbids(st)
		}
		if err := dry(call); err != nil {
			return err
		}
		st.Wanted = false
		if err := s.put(ctx, v, st); err != nil {
			return err
		}
		s.mu.Lock()
		l := s.links[id]
		delete(s.links, id)
		s.publish()
		s.mu.Unlock()
		if l != nil {
			l.cancel()
			s.shut(l.connection)
		}
		return nil
	})
}

// shut ends a connection, which may be nil.
func (s *Service) shut(c *Connection) {
	if c == nil {
		return
	}
	if err := c.Close(); err != nil {
		s.log.Warn("a key store's connection did not end well", slog.Any("cause", err)) //nolint:sloglint // no request is concerned
	}
}

// begin connects a key store in a goroutine of its own. s.mu is held.
func (s *Service) begin(st *Store, m mode) {
	ctx, cancel := context.WithTimeout(s.ctx, connectTimeout)
	l := &link{state: Connecting, cancel: cancel}
	s.links[st.ID] = l
	s.publish()
	s.work.Go(func() {
		defer cancel()
		connection, failure := s.establish(ctx, st, m)
		s.settle(st, l, connection, failure)
	})
}

// settle makes the outcome of connecting a key store known, unless it was
// disconnected meanwhile.
func (s *Service) settle(st *Store, l *link, connection *Connection, failure Failure) {
	s.mu.Lock()
	current := s.links[st.ID] == l
	old := l.connection
	if current {
		l.state, l.failure, l.connection = Connected, NoFailure, connection
		if failure != NoFailure {
			l.state, l.failure = Failed, failure
		}
		s.publish()
	}
	s.mu.Unlock()
	if !current {
		old = connection
	}
	s.shut(old)
}

// establish opens a key store's tokens and logs in to them.
func (s *Service) establish(ctx context.Context, st *Store, m mode) (*Connection, Failure) {
	c, err := s.clusters.Find(ctx, st.Realm, st.Region, st.Cluster)
	if err != nil {
		return nil, s.failed(ctx, st, err)
	}
	hsms := c.Serving()
	if m == again {
		hsms = c.HSMs
	}
	if len(hsms) == 0 {
		s.log.WarnContext(ctx, "a key store cannot be connected: its cluster has no HSM that works", slog.String("keystore", st.ID))
		return nil, InsufficientHSMs
	}
	o := &Opening{Name: "keystore/" + st.ID, PIN: func() ([]byte, error) { return s.wrapper.Unwrap(st.Realm, st.password, bound(st.ID)) }}
	for _, h := range hsms {
		if h.State != cluster.HSMCreating {
			o.Tokens = append(o.Tokens, h.Token)
		}
	}
	connection, err := s.open(ctx, o)
	if err != nil {
		return nil, s.failed(ctx, st, err)
	}
	err = connection.Check(ctx)
	if err == nil || m == again && failureOf(err) == NetworkErrors && ctx.Err() == nil {
		return connection, NoFailure
	}
	s.shut(connection)
	return nil, s.failed(ctx, st, err)
}

// failed returns what an error is to the owner of a key store, and tells the
// operator all of it.
func (s *Service) failed(ctx context.Context, st *Store, err error) Failure {
	f := failureOf(err)
	if s.ctx.Err() == nil {
		s.log.WarnContext(ctx, "a key store could not be connected", slog.String("keystore", st.ID),
			slog.String("failure", string(f)), slog.Any("cause", err))
	}
	return f
}

// failureOf sorts errors of connecting.
func failureOf(err error) Failure {
	rv, _ := errors.AsType[pkcs11.RV](err)
	switch rv { //nolint:exhaustive // the answers to a PIN; all others are told by the kind
	case pkcs11.RVPINIncorrect, pkcs11.RVPINInvalid, pkcs11.RVPINLenRange, pkcs11.RVPINExpired:
		return InvalidCredentials
	case pkcs11.RVPINLocked:
		return UserLockedOut
	case pkcs11.RVUserPINNotInitialized:
		return UserNotFound
	}
	switch {
	case fault.ReasonOf(err) == fault.NoSuchCluster:
		return ClusterNotFound
	case fault.KindOf(err) == fault.Unavailable, errors.Is(err, context.DeadlineExceeded):
		return NetworkErrors
	}
	return InternalError
}

// Refresh brings the connections of a cluster's key store up to date after the
// cluster has got or lost an HSM. It does not wait for it.
func (s *Service) Refresh(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stores {
		l := s.links[st.ID]
		if st.Cluster != id || l == nil || l.state != Connected {
			continue
		}
		ctx, cancel := context.WithTimeout(s.ctx, connectTimeout)
		s.work.Go(func() {
			defer cancel()
			connection, failure := s.establish(ctx, st, again)
			s.settle(st, l, connection, failure)
		})
	}
}
