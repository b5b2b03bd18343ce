package status

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/ocsp"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// SignerValidity is how long the certificate of an authority's OCSP signer is
// valid. It is short because the certificate itself is not checked (RFC 6960
// section 4.2.2.2.1); the next one, with a new key, is made when a third of
// the time is left.
const SignerValidity = 30 * day

// signerProfile is the profile under which the certificate is listed.
const signerProfile = "ocsp-signer"

// signer is who signs an authority's OCSP answers: a delegate, with a key and
// a certificate of its own (RFC 6960 section 4.2.2.2), or the authority's key
// itself.
type signer struct {
	key         key.ID // "" for the authority's own
	public      *engine.PublicKey
	algorithm   alg.Algorithm
	responder   []byte // ocsp.ResponderKeyHash
	certificate []byte // of a delegate, in DER
	notBefore   time.Time
	notAfter    time.Time
	realm       key.RealmID
	region      string
}

// delegate reports whether the signer is not the authority itself.
func (s *signer) delegate() bool { return s.key != "" }

// due reports whether another signer is to be made.
func (s *signer) due(now time.Time) bool {
	return !now.Before(s.notAfter.Add(-s.notAfter.Sub(s.notBefore) / 3))
}

// signers are the delegates by authority.
type signers struct {
	mu       sync.Mutex // guards what follows
	live     map[string]*signer
	failures map[string]*failure
	making   map[string]*sync.Mutex
}

// signerVersion is the version of signerRecord. A reader refuses others.
const signerVersion = 1

// signerRecord is the body of the row "authority id/ocsp" in
// store.Authorities, whose columns are empty: the delegate who signs the
// authority's OCSP answers.
type signerRecord struct {
	V int `json:"v"`
	// Realm and Region are the authority's, Key is in them.
	Realm       key.RealmID `json:"realm"`
	Region      string      `json:"region"`
	Key         key.ID      `json:"key"`
	Spec        string      `json:"spec"`
	Algorithm   string      `json:"algorithm"`
	Certificate []byte      `json:"certificate"`
}

// ocspSuffix, after an authority's id, is the id of its signer's row.
const ocspSuffix = "/ocsp"

// loadOther reads a row beside the authorities' that is no list's.
func (s *Service) loadOther(row store.Row) error {
	if id, ok := strings.CutSuffix(row.ID, earlierSuffix); ok {
		return s.loadEarlier(id, row)
	}
	id, ok := strings.CutSuffix(row.ID, ocspSuffix)
	if !ok {
		return nil // an authority
	}
	var r signerRecord
	if err := json.Unmarshal(row.Body, &r); err != nil || r.V != signerVersion {
		return fmt.Errorf("record %s has version %d; this program knows version %d (%w)", row.ID, r.V, signerVersion, err)
	}
	made, err := newSigner(r.Key, alg.ParseAlgorithm(r.Algorithm), r.Certificate)
	if err != nil {
		return fmt.Errorf("record %s: %w", row.ID, err)
	}
	made.realm, made.region = r.Realm, r.Region
	s.signers.put(id, made)
	return nil
}

// newSigner returns the delegate with a key and a certificate.
func newSigner(id key.ID, a alg.Algorithm, der []byte) (*signer, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	public, err := cert.PublicOf(parsed)
	if err != nil {
		return nil, err
	}
	responder, err := ocsp.ResponderKeyHash(parsed.RawSubjectPublicKeyInfo)
	return &signer{
		key: id, public: public, algorithm: a, responder: responder, certificate: der,
		notBefore: parsed.NotBefore, notAfter: parsed.NotAfter,
	}, err
}

func (s *signers) put(id string, made *signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = map[string]*signer{}
	}
	s.live[id] = made
}

func (s *signers) get(id string) *signer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}

// ids returns the authorities that have delegates.
func (s *signers) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.live))
}

// drop forgets an authority's delegate.
func (s *signers) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
}

// reject forgets a delegate that cannot sign any more, unless there is another
// one already.
func (s *signers) reject(id string, by *signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[id] == by {
		delete(s.live, id)
	}
}

// failed returns how the last attempt at a signer failed, if that is too short
// ago to try again.
func (s *signers) failed(id string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures[id].recent(now)
}

// fail notes how an attempt went; nil forgets earlier ones.
func (s *signers) fail(id string, now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.failures, id)
		return
	}
	if s.failures == nil {
		s.failures = map[string]*failure{}
	}
	s.failures[id] = &failure{now, err}
}

// lock has one signer of an authority be made at a time.
func (s *signers) lock(id string) (unlock func()) {
	s.mu.Lock()
	if s.making == nil {
		s.making = map[string]*sync.Mutex{}
	}
	m, ok := s.making[id]
	if !ok {
		m = &sync.Mutex{}
		s.making[id] = m
	}
	s.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// signerDue reports whether the authority's next delegate is to be made.
func (s *Service) signerDue(a *ca.Authority, now time.Time) bool {
	if !a.Revocation.OCSP.Enabled || a.State != ca.Active || s.signers.failed(a.ID, now) != nil {
		return false
	}
	live := s.signers.get(a.ID)
	// One that ends with the authority's certificate cannot be followed by a longer one.
	return live == nil || live.due(now) && live.notAfter.Before(a.NotAfter)
}

// signer returns who signs the authority's answers now. Where a delegate
// cannot be made (the authority may not issue, or its key is unavailable for
// certificates) the authority's own key does it.
func (s *Service) signer(ctx context.Context, a *ca.Authority) (*signer, error) {
	now := s.Now()
	live := s.signers.get(a.ID)
	if live == nil && s.signerDue(a, now) {
		if err := s.renewSigner(ctx, a); err == nil {
			live = s.signers.get(a.ID)
		}
	}
	if live != nil && now.Before(live.notAfter) {
		return live, nil
	}
	responder, err := ocsp.ResponderKeyHash(a.X509().RawSubjectPublicKeyInfo)
	return &signer{
		public: a.Public(), algorithm: a.Algorithm, responder: responder, notBefore: a.NotBefore, notAfter: now.Add(s.AnswerValidity),
	}, err
}

// renewSigner makes the authority's next delegate: a new key and a certificate
// for it. The key of the one before is not needed any more: what it has
// signed is checked with its certificate.
func (s *Service) renewSigner(ctx context.Context, a *ca.Authority) error {
	defer s.signers.lock(a.ID)()
	now := s.Now()
	if !s.signerDue(a, now) {
		return s.signers.failed(a.ID, now)
	}
	ctx = context.WithoutCancel(ctx)
	before := s.signers.get(a.ID)
	made, err := s.makeSigner(ctx, a)
	s.signers.fail(a.ID, now, err)
	if err != nil {
		warn(ctx, "OCSP signer not made: the one before, or the authority's own key, signs meanwhile", a.ID, err)
		return err
	}
	s.signers.put(a.ID, made)
	if before == nil {
		return nil
	}
	if err := s.Keys.EndEntrusted(ctx, s.Authorities.OwnCall(a, "EndOCSPSigner"), grantee(a.ID), before.key); err != nil {
		warn(ctx, "the key of the OCSP signer before is not deleted", a.ID, err)
	}
	return nil
}

// grantee is the name of an authority's OCSP responder as the holder of a key.
func grantee(authority string) string { return "ocsp/" + authority }

// makeSigner makes and stores a delegate. If it fails after the key was made,
// that key is deleted.
func (s *Service) makeSigner(ctx context.Context, a *ca.Authority) (made *signer, err error) {
	spec, algorithm := signerKind(a)
	k, err := s.Keys.Entrust(ctx, s.Authorities.OwnCall(a, "MakeOCSPSigner"), grantee(a.ID), &kms.ImportKeyRequest{
		CreateKeyRequest: kms.CreateKeyRequest{Spec: spec, Usage: alg.SignVerify, Description: "OCSP signer of the authority " + a.ID},
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.Keys.EndEntrusted(ctx, s.Authorities.OwnCall(a, "EndOCSPSigner"), grantee(a.ID), k.Name.ID) // err is the one to tell
		}
	}()
	issued, err := s.Authorities.IssueOwn(ctx, s.Authorities.OwnCall(a, "IssueOCSPSigner"), a.ID, &ca.OwnCertificate{
		Profile: signerProfile, Template: signerTemplate(a), Key: k, Validity: SignerValidity,
	})
	if err != nil {
		return nil, err
	}
	if made, err = newSigner(k.Name.ID, algorithm, issued.DER); err != nil {
		return nil, err
	}
	made.realm, made.region = a.Realm, a.Region
	body, err := json.Marshal(signerRecord{
		V: signerVersion, Realm: a.Realm, Region: a.Region, Key: k.Name.ID, Spec: spec.String(), Algorithm: algorithm.String(), Certificate: issued.DER,
	})
	if err != nil {
		return nil, err
	}
	return made, s.Store.Update(ctx, func(tx store.Tx) error {
		return tx.Put(store.Authorities, store.Row{ID: a.ID + ocspSuffix, Columns: []string{"", ""}, Body: body})
	})
}

// signerTemplate returns what a delegate's certificate holds (RFC 6960
// sections 4.2.2.2 and 4.2.2.2.1).
func signerTemplate(a *ca.Authority) *x509.Certificate {
	name := "OCSP signer of " + a.X509().Subject.CommonName
	if len(name) > 64 { // RFC 5280 appendix A.1, ub-common-name
		name = "OCSP signer of " + a.ID
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: a.X509().Subject.Organization},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		BasicConstraintsValid: true,
		ExtraExtensions:       []pkix.Extension{{Id: ocsp.NoCheck(), Value: []byte{5, 0}}},
	}
}

// signerKind returns the kind of a delegate's key: the authority's own, which
// whoever checks its certificates can check; but not the largest RSA keys,
// whose signatures take milliseconds.
func signerKind(a *ca.Authority) (alg.Spec, alg.Algorithm) {
	spec := a.Spec
	if spec == alg.RSA4096 {
		spec = alg.RSA3072
	}
	if spec.Lists(a.Algorithm) {
		return spec, a.Algorithm
	}
	return spec, spec.For(alg.SignVerify)[0]
}

// sign has the signer sign ResponseData that passed the lint and returns the
// BasicOCSPResponse.
func (s *Service) sign(ctx context.Context, call *key.Call, a *ca.Authority, by *signer, data []byte) ([]byte, error) {
	// GnuTLS looks for who signed among the certificates in the answer alone,
	// so the authority's is there, too.
	own := by.certificate
	if !by.delegate() {
		own = a.Certificate
	}
	token, err := s.lints.Response(data, by.public, by.algorithm, own)
	if err != nil {
		return nil, err
	}
	if !by.delegate() {
		return s.Authorities.Sign(ctx, call, a.ID, token)
	}
	var key crypto.Signer
	if key, err = s.Keys.DelegatedSigner(ctx, call, grantee(a.ID), by.key, by.algorithm); err != nil {
		return nil, err
	}
	return token.Sign(key)
}
