package function

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"io"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// SignRequest asks for the certificate of an authority.
type SignRequest struct {
	// CSR is the authority's PKCS #10 request in DER.
	CSR []byte
	// Key is the key that signs.
	Key kms.Ref
}

// Signed is what the function SignCACertificate made.
type Signed struct {
	// Certificate is in DER, Chain are the certificates above it, the nearest
	// first; a self-signed one has none.
	Certificate []byte
	Chain       [][]byte
}

// Profiles of the certificates that are signed: of an authority below the
// key's, and of the one whose own key signs.
const (
	belowProfile = "subordinate-ca-0"
	rootProfile  = "root-ca"
)

// sign signs a certificate as a request asks for it. The key of an authority
// here signs as that authority, which keeps the certificate on record; any
// other as a root that is named after the key.
func (s *Service) sign(ctx context.Context, call *key.Call, req *SignRequest) (*Signed, error) {
	csr, err := profile.ReadCSR(req.CSR)
	if err != nil {
		return nil, err
	}
	k, err := s.Keys.PublicKey(ctx, call, req.Key)
	if err != nil {
		return nil, err
	}
	kind := belowProfile
	if bytes.Equal(csr.SPKI, k.Version.Public) {
		kind = rootProfile
	}
	if a := s.authorityOf(k.Key); a != nil {
		issued, err := s.Authorities.Issue(ctx, call, &ca.IssueRequest{Authority: a.ID, Profile: kind, CSR: req.CSR})
		if err != nil {
			return nil, err
		}
		return &Signed{issued.DER, s.chainOf(issued)}, nil
	}
	i, err := s.issuerOf(ctx, call, req.Key, k)
	if err != nil {
		return nil, err
	}
	b := &blank{profile: kind, csr: csr, key: csr.Key, serials: rand.Reader, now: s.Now().UTC()}
	if kind == rootProfile {
		der, err := i.signed(b)
		return &Signed{Certificate: der}, err
	}
	root, err := i.root()
	if err != nil {
		return nil, err
	}
	if b.above, err = parse(root); err != nil {
		return nil, err
	}
	der, err := i.signed(b)
	return &Signed{der, [][]byte{root}}, err
}

// authorityOf returns the authority whose key it is, nil for none.
func (s *Service) authorityOf(k *key.Key) *ca.Authority {
	for _, a := range s.Authorities.All() {
		if a.Realm == k.Name.Realm && a.Key == k.Name.ID && a.State != ca.Deleted {
			return a
		}
	}
	return nil
}

// issuer is a key that signs certificates in a caller's name.
type issuer struct {
	service   *Service
	ctx       context.Context //nolint:containedctx // crypto.Signer has no place for it
	call      *key.Call
	ref       kms.Ref
	key       *key.Key
	public    *engine.PublicKey
	algorithm alg.Algorithm
}

func (s *Service) issuerOf(ctx context.Context, call *key.Call, ref kms.Ref, k *kms.PublicKeyResult) (*issuer, error) {
	if k.Key.Usage != alg.SignVerify {
		return nil, fault.Because(fault.InvalidArgument, fault.WrongUsage, "the key is for %s, not for %s", k.Key.Usage, alg.SignVerify)
	}
	i := &issuer{service: s, ctx: ctx, call: call, ref: ref, key: k.Key, algorithm: k.Key.Spec.For(alg.SignVerify)[0]}
	if err := cert.CheckAlgorithm(k.Key.Spec, i.algorithm); err != nil {
		return nil, err
	}
	var err error
	i.public, err = engine.ParsePublic(k.Key.Spec, k.Version.Public)
	return i, err
}

// Public returns the key's public half.
func (i *issuer) Public() crypto.PublicKey { return i.public.Key() }

// Sign signs as the caller.
func (i *issuer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	r, err := i.service.Keys.Sign(i.ctx, i.call, &kms.SignRequest{
		Key: i.ref, Algorithm: i.algorithm, Message: engine.Message{Form: engine.FormOf(opts), Bytes: digest},
	})
	if err != nil {
		return nil, err
	}
	return r.Signature, nil
}

// rootYears is how long the root of a key is valid, from the key's first day.
const rootYears = 20

// root returns the root's certificate of the key. All that is signed of it
// follows from the key, so that each time it is the same root.
func (i *issuer) root() ([]byte, error) {
	sum := sha512.Sum512(i.public.SPKI())
	return i.signed(&blank{
		profile: rootProfile, key: i.public, subject: profile.Subject{CommonName: "KMS key " + string(i.key.Name.ID)},
		serials: bytes.NewReader(sum[:]), now: i.key.CreatedAt.UTC().Truncate(time.Second), validity: profile.Validity{Years: rootYears},
	})
}

// blank is a certificate to be made.
type blank struct {
	profile  string
	csr      *profile.Request // nil for the key's own root
	key      *engine.PublicKey
	above    *x509.Certificate // the issuer's, nil for a self-signed one
	subject  profile.Subject
	serials  io.Reader
	now      time.Time
	validity profile.Validity
}

// signed drafts a certificate, has it linted, and signs it.
func (i *issuer) signed(b *blank) ([]byte, error) {
	draft, err := builtin(b.profile).Draft(i.ctx, &profile.Input{
		Request: b.csr, Key: b.key, Subject: b.subject, Caller: &i.call.Caller, Now: b.now, Issuer: b.above,
		Room: profile.NoPathLimit, Validity: b.validity,
	})
	if err != nil {
		return nil, err
	}
	t := draft.Template
	if t.SerialNumber, err = cert.NewSerial(b.now, b.serials); err != nil {
		return nil, err
	}
	if t.SubjectKeyId, err = cert.SubjectKeyID(b.key.SPKI()); err != nil {
		return nil, err
	}
	above := b.above
	if above == nil {
		above = t
	}
	passed, err := i.service.linter().Certificate(t, above, i.public, b.key, i.algorithm)
	if err != nil {
		return nil, err
	}
	return passed.Sign(i)
}

// builtin returns a built-in profile, which exists.
func builtin(name string) *profile.Profile {
	for _, p := range profile.Builtin() {
		if p.Name == name {
			return &p
		}
	}
	panic("there is no built-in profile " + name)
}
