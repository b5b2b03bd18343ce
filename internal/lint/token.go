package lint

import (
	"crypto"
	"crypto/x509"
	"slices"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// Token is bytes that passed, to be signed once. Only a Linter makes one.
type Token struct {
	tbs       []byte
	algorithm alg.Algorithm
	issuer    *engine.PublicKey // checks the signature
	warnings  []string
	trailer   []byte      // DER elements after the signature
	list      *cert.Draft // instead of tbs: a list in its spool
	used      atomic.Bool
}

// Warnings returns the names of the lints that warn of what is to be signed.
func (t *Token) Warnings() []string { return slices.Clone(t.warnings) }

// Algorithm returns the algorithm with which the token wants to be signed.
func (t *Token) Algorithm() alg.Algorithm { return t.algorithm }

// Sign has the signer sign what the token holds and returns the whole, its
// signature checked against the issuer's public key. Of a revocation list in
// a spool it returns nothing: the list is complete in its spool then. A token
// is good for one signature.
func (t *Token) Sign(s crypto.Signer) ([]byte, error) {
	if t.used.Swap(true) {
		return nil, &fault.Error{Kind: fault.Internal, Op: "lint.Sign", Public: "a lint token was used twice"}
	}
	if t.list != nil {
		return nil, t.signList(s)
	}
	signature, err := cert.SignMessage(s, t.algorithm, t.tbs)
	if err != nil {
		return nil, err
	}
	if err := cert.CheckSignature(t.issuer, t.algorithm, t.tbs, signature); err != nil {
		return nil, wrongSignature(err)
	}
	identifier, err := cert.Identifier(t.issuer.Spec(), t.algorithm)
	if err != nil {
		return nil, err
	}
	return cert.Assemble(t.tbs, identifier, signature, t.trailer...)
}

// signList signs the list in the spool.
func (t *Token) signList(s crypto.Signer) error {
	m, err := t.list.Message()
	if err != nil {
		return err
	}
	signature, err := cert.SignDigest(s, t.algorithm, m)
	if err != nil {
		return err
	}
	if err = t.list.Complete(signature); err != nil && fault.KindOf(err) == fault.BadSignature {
		return wrongSignature(err)
	}
	return err
}

func wrongSignature(err error) error {
	return &fault.Error{
		Kind: fault.Internal, Op: "lint.Sign", Public: "the authority's key made a signature that does not verify", Err: err,
	}
}

// Certificate encodes and lints a certificate of the template t for the
// subject's key. For a self-signed one, issuer is the template itself and
// issuerKey the subject's key. A refusal is InvalidArgument with the reason
// LintFailed, for the key's sake WeakKey.
func (l *Linter) Certificate(t, issuer *x509.Certificate, issuerKey, subjectKey *engine.PublicKey, a alg.Algorithm) (*Token, error) {
	spki := subjectKey.SPKI()
	if err := l.checkKey(t, subjectKey, spki); err != nil {
		return nil, err
	}
	tbs, err := cert.Encode(t, issuer, issuerKey, subjectKey, a)
	if err != nil {
		return nil, err
	}
	der, err := l.throwAways.complete(tbs, issuerKey.Spec(), a)
	if err != nil {
		return nil, err
	}
	against := &subject{template: t, issuer: issuer, spki: spki, spec: subjectKey.Spec()}
	if l.known.Above != nil && t != issuer {
		against.above = l.known.Above(issuer)
	}
	found, err := l.certificate(der, t == issuer, against)
	if err != nil {
		return nil, err
	}
	if err := found.refusal("certificate"); err != nil {
		return nil, err
	}
	return &Token{tbs: tbs, algorithm: a, issuer: issuerKey, warnings: found.Warnings}, nil
}

// checkKey refuses keys that are weak, and an authority's key for anything
// but an authority.
func (l *Linter) checkKey(t *x509.Certificate, k *engine.PublicKey, spki []byte) error {
	if err := weakkey.Check(k, l.known.Published); err != nil {
		return err
	}
	if !t.IsCA && l.known.HasKey != nil && l.known.HasKey(spki) {
		return fault.Because(fault.InvalidArgument, fault.WeakKey, "the public key is an authority's")
	}
	return nil
}

// maxLintedEntries is the size of a CRL above which it is not linted: the
// lints look at the list's own fields and repeat one check for each entry.
const maxLintedEntries = 1000

// List encodes and lints a CRL of the template t.
func (l *Linter) List(t *x509.RevocationList, issuer *x509.Certificate, issuerKey *engine.PublicKey, a alg.Algorithm) (*Token, error) {
	tbs, err := cert.EncodeList(t, issuer, issuerKey, a)
	if err != nil {
		return nil, err
	}
	token := &Token{tbs: tbs, algorithm: a, issuer: issuerKey}
	if len(t.RevokedCertificateEntries) > maxLintedEntries {
		return token, nil
	}
	der, err := l.throwAways.complete(tbs, issuerKey.Spec(), a)
	if err != nil {
		return nil, err
	}
	if err := l.list(der); err != nil {
		return nil, err
	}
	return token, nil
}

// Written lints a revocation list that cert.WriteList wrote: its own fields
// and its first thousand entries.
func (l *Linter) Written(d *cert.Draft) (*Token, error) {
	issuer, a := d.Issuer()
	der, err := l.throwAways.complete(d.Sample(), issuer.Spec(), a)
	if err != nil {
		return nil, err
	}
	if err := l.list(der); err != nil {
		return nil, err
	}
	return &Token{list: d, algorithm: a, issuer: issuer}, nil
}

// Request encodes a certificate request of the template t for the key, which
// is to sign it with the algorithm. There are no lints for requests.
func (l *Linter) Request(t *x509.CertificateRequest, k *engine.PublicKey, a alg.Algorithm) (*Token, error) {
	tbs, err := cert.EncodeRequest(t, k, a)
	if err != nil {
		return nil, err
	}
	return &Token{tbs: tbs, algorithm: a, issuer: k}, nil
}
