package inventory

import (
	"crypto/x509"
	"net"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// maxDepth is the longest chain that is followed.
const maxDepth = 10

// chainProblems says whether the certificate's issuers are known up to a root
// that is trusted here, and whether each server that presented it sent what
// its clients need.
func (j *judge) chainProblems(e *Entry, c *x509.Certificate) ([]Problem, error) {
	if p, err := j.issuers(e, c); p != nil || err != nil {
		return []Problem{*p}, err
	}
	var list []Problem
	for _, place := range e.Foreign.Places {
		if _, _, err := net.SplitHostPort(place.Address); err != nil {
			continue // a file may have a certificate alone
		}
		sent, err := j.certificates(place.Chain)
		if err != nil {
			return nil, err
		}
		missing, err := j.lacks(c, sent)
		if err != nil {
			return nil, err
		}
		if missing != "" {
			list = append(list, Problem{ProblemIncomplete, place.Address, "the server does not send the certificate of " + missing})
		}
	}
	return list, nil
}

// issuers follows the certificate's issuers among all that is known.
func (j *judge) issuers(e *Entry, c *x509.Certificate) (*Problem, error) {
	var sent []*x509.Certificate
	for _, place := range e.Foreign.Places {
		list, err := j.certificates(place.Chain)
		if err != nil {
			return nil, err
		}
		sent = append(sent, list...)
	}
	var path []*x509.Certificate
	for at := c; len(path) < maxDepth; {
		if j.own(at) || j.publicly(c, path) {
			return nil, nil
		}
		if selfSigned(at) {
			return &Problem{ProblemUntrusted, "", "the root " + at.Subject.String() + " is not trusted here"}, nil
		}
		known, err := j.bySubject(at.RawIssuer)
		if err != nil {
			return nil, err
		}
		next := issuerOf(at, j.authorities, sent, known)
		if next == nil {
			return &Problem{ProblemIncomplete, "", "the certificate of the issuer " + at.Issuer.String() + " is not known"}, nil
		}
		at, path = next, append(path, next)
	}
	return &Problem{ProblemIncomplete, "", "the chain has more than the longest that is followed"}, nil
}

// lacks returns the name of the issuer whose certificate a server would have
// to send beside these, "" when none is missing. A root need not be sent.
func (j *judge) lacks(c *x509.Certificate, sent []*x509.Certificate) (string, error) {
	at := c
	for range maxDepth {
		if selfSigned(at) || j.publicly(c, sent) {
			return "", nil
		}
		next := issuerOf(at, sent)
		if next == nil {
			known, err := j.bySubject(at.RawIssuer)
			if err != nil {
				return "", err
			}
			if root := issuerOf(at, j.authorities, known); root != nil && selfSigned(root) {
				return "", nil
			}
			return at.Issuer.String(), nil
		}
		at = next
	}
	return at.Issuer.String(), nil
}

// own reports whether a certificate is an authority's of the realm, or one
// above it.
func (j *judge) own(c *x509.Certificate) bool {
	for _, a := range j.authorities {
		if a.Equal(c) {
			return true
		}
	}
	return false
}

// publicly reports whether the certificate has a chain to one of the roots
// that the server was given, whatever the time and the use.
func (j *judge) publicly(c *x509.Certificate, intermediates []*x509.Certificate) bool {
	if j.roots == nil {
		return false
	}
	pool := x509.NewCertPool()
	for _, i := range intermediates {
		pool.AddCert(i)
	}
	_, err := c.Verify(x509.VerifyOptions{
		Roots: j.roots, Intermediates: pool, CurrentTime: c.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}

// selfSigned reports whether a certificate names itself as its issuer.
func selfSigned(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }

// issuerOf returns the certificate that signed c, from the first list that has
// it, or nil.
func issuerOf(c *x509.Certificate, lists ...[]*x509.Certificate) *x509.Certificate {
	for _, list := range lists {
		for _, issuer := range list {
			if string(issuer.RawSubject) == string(c.RawIssuer) && cert.CheckFrom(c, issuer) == nil {
				return issuer
			}
		}
	}
	return nil
}

// certificates returns foreign certificates by their fingerprints, without
// those that were forgotten.
func (j *judge) certificates(fingerprints []string) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for _, f := range fingerprints {
		e, err := found(j.r, j.realm, f)
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		if c, err := x509.ParseCertificate(e.DER); err == nil {
			list = append(list, c)
		}
	}
	return list, nil
}

// maxNamesakes bounds how many CA certificates of one name are tried.
const maxNamesakes = 20

// bySubject returns the foreign CA certificates with a subject.
func (j *judge) bySubject(raw []byte) ([]*x509.Certificate, error) {
	q := queryOf(term.PrefixRange(term.Prefix(j.realm, term.Subject) + term.SubjectHash(raw) + "/"))
	q.Limit = maxNamesakes
	var fingerprints []string
	for row, err := range j.r.Scan(store.Terms, q) {
		if err != nil {
			return nil, err
		}
		_, fingerprint := cutLast(row.ID)
		fingerprints = append(fingerprints, fingerprint)
	}
	return j.certificates(fingerprints)
}
