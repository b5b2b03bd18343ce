package envelope

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Failure is why one key was of no use.
type Failure struct {
	URI string
	Err error
}

// KeyError says that a file's key could not be wrapped for all of its
// recipients, or unwrapped by any.
type KeyError struct {
	// Op is what was to be done, such as "decrypt with".
	Op       string
	Failures []Failure
}

// Error names every key and its failure.
func (e *KeyError) Error() string {
	switch len(e.Failures) {
	case 0:
		return "no key is given to " + e.Op
	case 1:
		return fmt.Sprintf("cannot %s %s: %v", e.Op, e.Failures[0].URI, e.Failures[0].Err)
	}
	all := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		all[i] = fmt.Sprintf("%s: %v", f.URI, f.Err)
	}
	return fmt.Sprintf("cannot %s %d keys: %s", e.Op, len(all), strings.Join(all, "; "))
}

// Unwrap returns the failures.
func (e *KeyError) Unwrap() []error {
	all := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		all[i] = f.Err
	}
	return all
}

// unlock returns the file key. See Envelope.Decrypt.
func (e *Envelope) unlock(ctx context.Context, identities []Identity) ([]byte, error) {
	type result struct {
		index int
		key   []byte
		err   error
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	results := make(chan result, len(identities)) // nobody blocks who answers too late
	started, answered := 0, 0
	start := func() {
		if i := started; i < len(identities) {
			started++
			go func() {
				key, err := e.try(ctx, identities[i])
				results <- result{i, key, err}
			}()
		}
	}
	failures := make([]error, len(identities))
	next := time.NewTicker(max(e.Stagger, time.Millisecond))
	defer next.Stop()
	start()
	for answered < len(identities) {
		select {
		case r := <-results:
			if r.err == nil {
				return r.key, nil
			}
			answered++
			failures[r.index] = r.err
			start()
			next.Reset(max(e.Stagger, time.Millisecond))
		case <-next.C:
			start()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	failed := &KeyError{Op: "decrypt with"}
	for i, err := range failures {
		failed.Failures = append(failed.Failures, Failure{identities[i].URI(), err})
	}
	return nil, failed
}

// try has one identity unwrap the file key, within the timeout, also where it
// ignores ctx.
func (e *Envelope) try(ctx context.Context, id Identity) ([]byte, error) {
	ctx, stop := context.WithTimeoutCause(ctx, e.Timeout, fmt.Errorf("no answer within %s", e.Timeout))
	defer stop()
	type result struct {
		key []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		key, err := e.unwrap(ctx, id)
		done <- result{key, err}
	}()
	select {
	case r := <-done:
		return r.key, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// unwrap tries the stanzas that are an identity's.
func (e *Envelope) unwrap(ctx context.Context, id Identity) ([]byte, error) {
	stanzas := e.header.stanzas
	if i := find(stanzas, id.URI()); i >= 0 {
		stanzas = stanzas[i : i+1]
	}
	var failures []error
	for _, s := range stanzas {
		key, err := id.Unwrap(ctx, s, e.header.binding())
		if err == nil {
			err = e.verify(key)
		}
		if err == nil {
			return key, nil
		}
		clear(key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !errors.Is(err, ErrMethod) {
			failures = append(failures, err)
		}
	}
	if len(failures) == 0 {
		return nil, fmt.Errorf("the file has nothing that the key could unwrap: %w", ErrMethod)
	}
	if len(stanzas) > 1 {
		return nil, fmt.Errorf("the file does not name this key, and it unwraps nothing in it: %w", failures[0])
	}
	return nil, failures[0]
}

// verify checks that a file key is the one under which the header was written.
func (e *Envelope) verify(fileKey []byte) error {
	if len(fileKey) != keySize {
		return fmt.Errorf("%w: the unwrapped key has %d bytes, not %d", ErrDamaged, len(fileKey), keySize)
	}
	mac, err := e.header.mac(fileKey, e.covered)
	if err != nil {
		return err
	}
	if !hmac.Equal(mac, e.mac) {
		return fmt.Errorf("%w: the code of its header does not fit", ErrDamaged)
	}
	return nil
}
