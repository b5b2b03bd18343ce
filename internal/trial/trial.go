// Package trial tries an engine: it makes a key, uses it in every way that the
// key has, checks the results outside of the engine, and destroys the key.
//
// Start with Use. The package is internal and may change with any release.
package trial

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Result is what a key did that is sound.
type Result struct {
	// Made is how long it took to make the key, Used to use it once in every
	// way, with the checks.
	Made, Used time.Duration
	// Lacks are algorithms of the key's type that it does not have there.
	Lacks []alg.Algorithm
}

// Failure is what went wrong.
type Failure struct {
	Doing string
	Err   error
}

// Error says what was being done, and what the engine says of it.
func (f *Failure) Error() string {
	if e, ok := errors.AsType[*fault.Error](f.Err); ok && e.Public != "" {
		return f.Doing + ": " + e.Public
	}
	return f.Doing + ": " + f.Err.Error()
}

// Unwrap returns the engine's own error.
func (f *Failure) Unwrap() error { return f.Err }

func failed(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Failure{fmt.Sprintf(doing, args...), err}
}

// Kinds returns every kind of key that can be tried.
func Kinds() (all []engine.Kind) {
	for _, spec := range alg.Specs() {
		for _, usage := range spec.Info().Usages {
			switch usage { //nolint:exhaustive // the others do nothing by themselves
			case alg.EncryptDecrypt, alg.SignVerify, alg.GenerateVerifyMAC, alg.KeyAgreement, alg.RawEncryptDecrypt:
				all = append(all, engine.Kind{Spec: spec, Usage: usage})
			}
		}
	}
	return all
}

// endTimeout bounds the end of a key whose caller has gone.
const endTimeout = 10 * time.Second

// Use makes a key of a realm in an engine, uses it and destroys it. Errors are
// a *Failure.
func Use(ctx context.Context, in engine.Engine, realm key.RealmID, kind engine.Kind) (r *Result, err error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand.Read)
	ref := engine.Ref{Realm: realm, ID: key.NewID(id), Version: 1}
	r = &Result{}
	start := time.Now()
	m, err := in.Generate(ctx, ref, kind)
	if err != nil {
		return nil, failed(err, "making the key")
	}
	r.Made = time.Since(start)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		err = errors.Join(err, failed(in.Destroy(ctx, ref, m.Wrapped), "destroying the key"))
	}()
	k, err := in.Open(ctx, ref, kind.Spec, m.Wrapped)
	if err != nil {
		return nil, failed(err, "finding the key")
	}
	start = time.Now()
	switch {
	case kind.Usage == alg.RawEncryptDecrypt:
		err = modes(k.Cipher, kind.Spec, r)
	case k.AEAD != nil:
		err = encrypts(k.AEAD)
	case k.MAC != nil:
		err = computes(k.MAC, kind.Spec)
	case kind.Usage == alg.SignVerify:
		err = signs(k, kind.Spec, m.Public, r)
	case kind.Usage == alg.KeyAgreement:
		err = agrees(k, kind.Spec, m.Public)
	default:
		err = decrypts(k, kind.Spec, m.Public, r)
	}
	r.Used = time.Since(start)
	return r, err
}

// sample is what is signed and encrypted.
func sample() []byte { return []byte("holdfast trial") }

func encrypts(a engine.AEAD) error {
	sealed, err := a.Seal(nil, sample(), nil)
	if err != nil {
		return failed(err, "encrypting")
	}
	opened, err := a.Open(nil, sealed, nil)
	if err == nil && !bytes.Equal(opened, sample()) {
		err = errors.New("what was encrypted decrypts to something else")
	}
	return failed(err, "decrypting")
}

// modes encrypts and decrypts by every mode of AES.
func modes(c engine.Cipher, spec alg.Spec, r *Result) error {
	return each(spec.FurtherFor(alg.RawEncryptDecrypt), r, func(a alg.Algorithm) error {
		p, plain := engine.CipherParameters{}, bytes.Repeat(sample(), 8) // a multiple of 16 bytes
		switch a {                                                       //nolint:exhaustive // the wrappings of keys have no IV
		case alg.AESGCMRaw:
			p.IV = make([]byte, 12)
		case alg.AESCBC, alg.AESCBCPad, alg.AESCTR:
			p.IV = make([]byte, 16)
		}
		_, _ = rand.Read(p.IV) // never fails
		sealed, err := c.Encrypt(a, p, plain)
		if err != nil {
			return failed(err, "encrypting by %s", a)
		}
		opened, err := c.Decrypt(a, p, sealed)
		if err == nil && !bytes.Equal(opened, plain) {
			err = errors.New("it decrypts to something else")
		}
		return failed(err, "decrypting by %s", a)
	})
}

func computes(m engine.MAC, spec alg.Spec) error {
	code, err := m.Sum(nil, sample())
	if want := spec.For(alg.GenerateVerifyMAC)[0].Info().Hash.Size(); err == nil && len(code) != want {
		err = fmt.Errorf("the code has %d bytes, and not %d", len(code), want)
	}
	return failed(err, "computing a code")
}

// agrees compares a shared secret with that of the other side, which is in Go.
func agrees(k *engine.Key, spec alg.Spec, spki []byte) error {
	public, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return failed(err, "reading the public key")
	}
	return failed(engine.RehearseAgreement(k.Agreement, public), "agreeing on a secret")
}

// each does something with each of some algorithms, and notes which of them the
// key lacks.
func each(algorithms []alg.Algorithm, r *Result, do func(alg.Algorithm) error) error {
	has := false
	var lacking error
	for _, a := range algorithms {
		switch err := do(a); {
		case err == nil:
			has = true
		case fault.KindOf(err) == fault.Unsupported:
			lacking = err
			r.Lacks = append(r.Lacks, a)
		default:
			return err
		}
	}
	if !has {
		return lacking
	}
	return nil
}

// signs checks a signature of every algorithm in Go.
func signs(k *engine.Key, spec alg.Spec, spki []byte, r *Result) error {
	public, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return failed(err, "reading the public key")
	}
	return each(spec.For(alg.SignVerify), r, func(a alg.Algorithm) error {
		if !a.Takes(alg.Raw) {
			return nil
		}
		m := engine.Message{Form: alg.Raw, Bytes: sample()}
		sig, err := engine.Sign(k.Signer, a, m)
		if err == nil {
			err = public.Verify(a, m, sig)
		}
		return failed(err, "signing by %s", a)
	})
}

// decrypts decrypts what Go has encrypted, by every algorithm.
func decrypts(k *engine.Key, spec alg.Spec, spki []byte, r *Result) error {
	public, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return failed(err, "reading the public key")
	}
	return each(spec.For(alg.EncryptDecrypt), r, func(a alg.Algorithm) error {
		sealed, err := public.Encrypt(a, sample())
		if err != nil {
			return failed(err, "encrypting by %s", a)
		}
		opened, err := engine.Decrypt(k.Decrypter, a, sealed)
		if err == nil && !bytes.Equal(opened, sample()) {
			err = errors.New("it decrypts to something else")
		}
		return failed(err, "decrypting by %s", a)
	})
}
