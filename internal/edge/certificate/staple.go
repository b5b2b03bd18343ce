package certificate

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/internal/ocsp"
)

// Bounds of asking a responder.
const (
	stapleTimeout = 10 * time.Second
	maxStaple     = 64 << 10 // bytes of an answer
	clockSkew     = 5 * time.Minute
)

// When a staple is asked for again.
const (
	stapleLife  = time.Hour // of an answer that does not say when there is a newer one
	stapleRetry = 30 * time.Second
	stapleMost  = time.Hour // between attempts
)

// errRevoked says that the responder calls the certificate revoked.
var errRevoked = errors.New("the certificate is revoked, its responder says")

// staple is a responder's answer about a certificate.
type staple struct {
	raw        []byte
	this, next time.Time // what it holds from and until
}

// due returns when it is to be asked for again: in the middle of its life, so
// that a responder may be away for as long as the other half.
func (s *staple) due() time.Time { return s.this.Add(s.next.Sub(s.this) / 2) }

// after returns when to try again after a failure: in a tenth of what the
// staple has left.
func (s *staple) after(now time.Time) time.Time {
	left := time.Duration(0)
	if s != nil {
		left = s.next.Sub(now) / 10
	}
	return now.Add(min(max(left, stapleRetry), stapleMost))
}

// Responder asks responders.
type Responder struct{ http *http.Client }

// NewResponder returns one.
func NewResponder() *Responder {
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 1
	return &Responder{&http.Client{Transport: t, Timeout: stapleTimeout, CheckRedirect: refuse}}
}

// question is about which certificate whom to ask.
type question struct {
	url          string
	leaf, issuer *x509.Certificate
}

// ask asks a responder about a certificate and verifies the answer.
func (r *Responder) ask(ctx context.Context, q *question, now time.Time) (*staple, error) {
	body, err := xocsp.CreateRequest(q.leaf, q.issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("asking about the certificate: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", ocsp.TypeRequest)
	req.Header.Set("Accept", ocsp.TypeResponse)
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it is read to its end
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxStaple+1))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || len(raw) > maxStaple {
		return nil, fmt.Errorf("the responder %s answers %d with %d bytes", q.url, resp.StatusCode, len(raw))
	}
	return judge(raw, q, now)
}

// judge verifies an answer (RFC 6960 section 3.2).
func judge(raw []byte, q *question, now time.Time) (*staple, error) {
	answer, err := xocsp.ParseResponseForCert(raw, q.leaf, q.issuer)
	if err != nil {
		return nil, fmt.Errorf("the responder's answer: %w", err)
	}
	// The package verifies that the issuer certified whoever signed, which it has
	// also done for the certificate in question.
	if signer := answer.Certificate; signer != nil && !signer.Equal(q.issuer) {
		if !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
			return nil, errors.New("the responder's answer is signed by who may not")
		}
		if now.Before(signer.NotBefore) || now.After(signer.NotAfter) {
			return nil, errors.New("the responder's certificate is not valid now")
		}
	}
	s := &staple{raw, answer.ThisUpdate, answer.NextUpdate}
	if s.next.IsZero() {
		s.next = now.Add(stapleLife)
	}
	switch {
	case now.Add(clockSkew).Before(s.this):
		return nil, errors.New("the responder's answer is of the future")
	case !now.Before(s.next):
		return nil, errors.New("the responder's answer is old")
	case answer.Status == xocsp.Revoked:
		return nil, errRevoked
	case answer.Status != xocsp.Good:
		return nil, errors.New("the responder does not know the certificate")
	}
	return s, nil
}

// mustStaple reports whether a certificate is good with a staple only (RFC 7633:
// the TLS feature status_request).
func mustStaple(c *x509.Certificate) bool {
	const statusRequest = 5
	for _, e := range c.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}) {
			continue
		}
		var features []int
		if rest, err := asn1.Unmarshal(e.Value, &features); err == nil && len(rest) == 0 && slices.Contains(features, statusRequest) {
			return true
		}
	}
	return false
}
