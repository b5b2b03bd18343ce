package hsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// errInitialising is why the circuit is open while a token is initialised.
var errInitialising = errors.New("the token is being initialised")

// Initialise erases the token and everything in it, gives it a label and the
// security officer's and the user's PIN (C_InitToken, C_InitPIN). On a token
// that was initialised before, the officer's PIN must be the one it has. An
// empty label keeps the present one; a token that is configured by its label
// keeps it. Without soPIN it is that of Config.SOPIN. Callers are refused meanwhile; afterwards the token is logged in to
// with what its PIN source says.
func (t *Token) Initialise(ctx context.Context, label string, soPIN, pin []byte) error {
	if t.cfg.Token != "" {
		if label != "" && label != t.cfg.Token {
			return fault.New(fault.InvalidArgument, "token %q is configured by its label %q, and keeps it", t.cfg.Name, t.cfg.Token)
		}
		label = t.cfg.Token
	}
	if len(soPIN) == 0 && t.cfg.SOPIN != nil {
		var err error
		if soPIN, err = t.cfg.SOPIN(); err != nil {
			return t.unavailable(err, "cannot be initialised: the security officer's PIN cannot be read")
		}
		defer clear(soPIN)
	}
	t.building.Lock() // the keeper starts nothing meanwhile
	defer t.building.Unlock()
	ended, err := t.seclude(ctx)
	if err != nil {
		return err
	}
	defer t.readmit()
	for _, p := range ended {
		select {
		case <-p.ended:
		case <-ctx.Done():
			return t.errWaited(ctx.Err())
		}
	}
	if err := t.erase(ctx, label, soPIN, pin); err != nil {
		return t.refused(err)
	}
	t.log.LogAttrs(ctx, slog.LevelWarn, "the token has been initialised: everything that was in it is erased")
	t.pin.forgive()
	return nil
}

// seclude opens the circuit and returns the processes that end for it.
func (t *Token) seclude(ctx context.Context) ([]*process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, t.errClosed()
	}
	ending := append([]*process(nil), t.processes...)
	t.trip(ctx, errInitialising)
	return ending, nil
}

// readmit lets the keeper try the token again.
func (t *Token) readmit() {
	t.mu.Lock()
	t.circuit.next = time.Now()
	t.mu.Unlock()
	t.wake()
}

// erase does it, in a process that does nothing else.
func (t *Token) erase(ctx context.Context, label string, soPIN, pin []byte) error {
	ctx, cancel := context.WithTimeout(ctx, slowFactor*max(startTimeout, t.cfg.Timeout))
	defer cancel()
	module, err := t.cfg.Launch(ctx, t.cfg.Module, t.cfg.Environment)
	if err != nil {
		return t.unavailable(fmt.Errorf("%w: %w", errLaunch, err), "cannot be initialised: its module does not start")
	}
	p := &process{token: t, module: module, ended: make(chan struct{})}
	defer t.end(p)
	info, err := p.find(ctx)
	if err != nil {
		return err
	}
	if label == "" {
		label = info.Label
	}
	if _, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnInitToken, Slot: p.slot, Data: []byte(label), Extra: soPIN}); err != nil {
		return fmt.Errorf("initialising the token: %w", err)
	}
	s := &session{process: p}
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	if err := s.Login(ctx, pkcs11.UserSecurityOfficer, soPIN); err != nil {
		return fmt.Errorf("logging the security officer in: %w", err)
	}
	if err := s.InitPIN(ctx, pin); err != nil {
		return fmt.Errorf("setting the user's PIN: %w", err)
	}
	return s.Logout(ctx)
}
