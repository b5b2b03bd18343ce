package keyless

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Door is the part of the door that a key server needs. *kms.Service is it.
type Door interface {
	Sign(ctx context.Context, call *key.Call, req *kms.SignRequest) (*kms.SignResult, error)
	Encrypt(ctx context.Context, call *key.Call, req *kms.EncryptRequest) (*kms.EncryptResult, error)
	Decrypt(ctx context.Context, call *key.Call, req *kms.DecryptRequest) (*kms.DecryptResult, error)
	ByPublic(call *key.Call, name kms.PublicName) (key.Name, bool)
	Refuse(ctx context.Context, call *key.Call, action key.Action, err error) error
}

// Directory knows whom credentials prove. *identity.Directory is it.
type Directory interface {
	Credential(id string) (*identity.Credential, error)
	SessionCredential(id, token string) (*identity.Credential, error)
	ClientCaller(ctx context.Context, c *x509.Certificate, issuers identity.Issuers) (key.Caller, error)
}

// StoreConfig is what a Store stands on. Every field is required unless it says
// otherwise.
type StoreConfig struct {
	Door         Door
	Directory    Directory
	Issuers      identity.Issuers
	Certificates Certificates
	// Region is that of the sealing key, and of callers who name none.
	Region string
	// SealKey names the symmetric key that seals: an id, or an alias ("alias/…") in
	// the caller's realm. Without it nothing is sealed.
	SealKey string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Store are the keys of a Holdfast server, behind its door: who may use which is
// what the keys' policies and the callers' own say. It implements Keys.
type Store struct {
	config StoreConfig
	found  found
}

var _ Keys = (*Store)(nil)

// NewStore returns the keys behind a door.
func NewStore(c StoreConfig) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Store{config: c}
}

// Do implements Session.
func (s *session) Do(ctx context.Context, r *Request) ([]byte, error) {
	call := s.call(r)
	caller, err := s.caller(ctx, s.store.config.Now())
	if err != nil {
		call.Caller.Credential = s.shown()
		return nil, s.store.config.Door.Refuse(ctx, call, r.Route.Action, err)
	}
	call.Caller = caller
	payload, err := s.store.do(ctx, call, r)
	if err != nil {
		return nil, s.store.config.Door.Refuse(ctx, call, r.Route.Action, err)
	}
	return payload, nil
}

// do does an operation for a caller that is proved.
func (s *Store) do(ctx context.Context, call *key.Call, r *Request) ([]byte, error) {
	if r.Opcode == wire.OpSeal {
		return s.seal(ctx, call, r.Payload)
	}
	if r.Opcode == wire.OpUnseal {
		return s.unseal(ctx, call, r.Payload)
	}
	name, err := s.find(ctx, call, r)
	if err != nil {
		return nil, err
	}
	call.Region = name.Region
	ref := kms.Ref{Realm: name.Realm, Region: name.Region, ID: name.ID}
	if r.Route.Action == key.Decrypt {
		plain, err := s.config.Door.Decrypt(ctx, call, &kms.DecryptRequest{Key: ref, Algorithm: r.Route.Algorithm, Ciphertext: r.Payload})
		if err != nil {
			return nil, err
		}
		return plain.Plaintext, nil
	}
	req := &kms.SignRequest{Key: ref, Algorithm: r.Route.Algorithm}
	req.Message.Form, req.Message.Bytes = r.Route.Form, r.Payload
	signed, err := s.config.Door.Sign(ctx, call, req)
	if err != nil {
		return nil, err
	}
	return signed.Signature, nil
}

// sealContext tells what is sealed here from all else that the key encrypts.
func sealContext() []key.Tag { return []key.Tag{{Key: "holdfast", Value: "keyless seal"}} }

// sealing returns the key that seals.
func (s *Store) sealing() (kms.Ref, error) {
	switch name := s.config.SealKey; {
	case name == "":
		return kms.Ref{}, refusal(fault.Unsupported, wire.ErrRemoteConfiguration, "no key that seals is configured")
	case strings.HasPrefix(name, kms.AliasPrefix):
		return kms.Ref{Alias: name}, nil
	default:
		return kms.Ref{ID: key.ID(name)}, nil
	}
}

func (s *Store) seal(ctx context.Context, call *key.Call, plaintext []byte) ([]byte, error) {
	ref, err := s.sealing()
	if err != nil {
		return nil, err
	}
	sealed, err := s.config.Door.Encrypt(ctx, call, &kms.EncryptRequest{
		Key: ref, Algorithm: alg.AESGCM, Plaintext: plaintext, Context: sealContext(),
	})
	if err != nil {
		return nil, err
	}
	return sealed.Ciphertext, nil
}

func (s *Store) unseal(ctx context.Context, call *key.Call, sealed []byte) ([]byte, error) {
	ref, err := s.sealing()
	if err != nil {
		return nil, err
	}
	plain, err := s.config.Door.Decrypt(ctx, call, &kms.DecryptRequest{
		Key: ref, Algorithm: alg.AESGCM, Ciphertext: sealed, Context: sealContext(),
	})
	if err != nil && fault.KindOf(err) == fault.WrongState {
		return nil, fmt.Errorf("%w: %w", err, wire.ErrExpired)
	}
	if err != nil {
		return nil, err
	}
	return plain.Plaintext, nil
}

// refusal is a failure with the protocol's own word for it.
func refusal(kind fault.Kind, e wire.Error, format string, args ...any) error {
	return &fault.Error{Kind: kind, Public: fmt.Sprintf(format, args...), Err: e}
}

// maxServerName is the longest name of a server (RFC 1035 section 2.3.4).
const maxServerName = 253

// find returns the key that a request names: by the first of its names that a key
// has. Whether the caller may use it is not asked here.
func (s *Store) find(ctx context.Context, call *key.Call, r *Request) (key.Name, error) {
	if len(r.SKI) == wire.SKISize {
		if name, ok := s.config.Door.ByPublic(call, kms.PublicName{SKI: [wire.SKISize]byte(r.SKI)}); ok {
			return name, nil
		}
	}
	if len(r.Digest) == len(kms.PublicName{}.Modulus) {
		if name, ok := s.config.Door.ByPublic(call, kms.PublicName{Modulus: [32]byte(r.Digest)}); ok {
			return name, nil
		}
	}
	for _, by := range []struct {
		kind byte
		text []byte
	}{{byID, r.CertID}, {byServer, r.SNI}} {
		if len(by.text) == 0 || len(by.text) > maxServerName {
			continue
		}
		skis, err := s.certified(ctx, call, by.kind, string(by.text), r.Route.Family)
		if err != nil {
			return key.Name{}, err
		}
		for _, ski := range skis {
			if name, ok := s.config.Door.ByPublic(call, kms.PublicName{SKI: ski}); ok {
				return name, nil
			}
		}
	}
	return key.Name{}, notFound(r)
}

// notFound says for what there is no key.
func notFound(r *Request) error {
	switch {
	case len(r.SKI) > 0:
		return fault.New(fault.NotFound, "no key has the subject key identifier %s", hex.EncodeToString(r.SKI[:min(len(r.SKI), 32)]))
	case len(r.Digest) > 0:
		return fault.New(fault.NotFound, "no key has the digest %s", hex.EncodeToString(r.Digest[:min(len(r.Digest), 32)]))
	case len(r.CertID) > 0:
		return refusal(fault.NotFound, wire.ErrCertificateNotFound, "no certificate has the id %.300q", r.CertID)
	case len(r.SNI) > 0:
		return refusal(fault.NotFound, wire.ErrCertificateNotFound, "no certificate is for the server %.300q", r.SNI)
	}
	return fault.New(fault.InvalidArgument, "the request names no key")
}
