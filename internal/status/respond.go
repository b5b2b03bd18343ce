package status

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/ocsp"
)

// Answer is an OCSP response. It is never changed once handed out.
type Answer struct {
	DER []byte
	// Failure is why there is no answer, 0 for none.
	Failure ocsp.Failure
	// ThisUpdate and NextUpdate are those of an answer that others may be given
	// too; an answer for one client alone, and a failure, have none.
	ThisUpdate, NextUpdate time.Time
	Tag                    string // differs from that of any other answer

	until time.Time // when it is to be made again
}

// refuse returns the answer that there is none.
func refuse(f ocsp.Failure) *Answer { return &Answer{DER: f.Encode(), Failure: f} }

// unknownAge is how long an answer about a certificate that does not exist is
// kept.
const unknownAge = time.Minute

// Respond answers an OCSP request in DER about certificates of the authority
// with the id, or of any when id is "".
//
// It says good of a certificate that the authority issued and that is not
// revoked, expired or not; revoked, with its reason, of one that is, also of
// one on hold; and unknown of a serial number that the authority never issued
// (RFC 6960 section 2.2; what that section allows to be called revoked is not
// called so, because a client could not tell it from a revocation). Of an
// issuer that is not here, or gives no answers, it is not the one to ask:
// unauthorized (RFC 5019 section 2.2.3).
//
// A request with one certificate and no nonce gets an answer that was signed
// ahead, if there is one; others are signed for, a bounded number at a time.
// A client that asks for a nonce when there are too many gets an answer
// without it (RFC 9654 section 2.1 leaves that to the responder).
func (s *Service) Respond(ctx context.Context, id string, request []byte) *Answer {
	r, err := ocsp.ParseRequest(request)
	if err != nil {
		return refuse(ocsp.MalformedRequest)
	}
	if len(r.IDs) == 1 {
		return s.respondOne(ctx, id, r)
	}
	q := s.question(id, r.IDs)
	if q == nil {
		return refuse(ocsp.Unauthorized)
	}
	answer, _ := s.inLane(ctx, s.fresh, q, r.Nonce)
	if answer == nil {
		return refuse(ocsp.TryLater)
	}
	return answer
}

// respondOne answers a request about one certificate.
func (s *Service) respondOne(ctx context.Context, id string, r *ocsp.Request) *Answer {
	raw, now := r.IDs[0].Raw, s.Now()
	if r.Nonce == nil {
		for _, c := range []*cache{s.known, s.unknown} {
			if k := c.get(raw); k != nil && now.Before(k.answer.until) && (id == "" || id == k.authority) {
				return k.answer
			}
		}
	}
	q := s.question(id, r.IDs)
	if q == nil {
		return refuse(ocsp.Unauthorized)
	}
	if r.Nonce != nil {
		if answer, _ := s.inLane(ctx, s.fresh, q, r.Nonce); answer != nil {
			return answer
		}
	}
	return s.presigned(ctx, q)
}

// question is a request whose issuers are known.
type question struct {
	ids  []ocsp.CertID
	from []*issuer // who the issuer of the first that is known may be
	// authority answers: it has the first certificate that is known.
	authority *ca.Authority
	singles   []ocsp.Single
	known     bool // all certificates exist
}

// question finds the issuer that a request is about, nil for none that
// answers. A response has one signer, whom one authority has authorised: of
// certificates of another issuer in the same request it knows nothing.
func (s *Service) question(id string, ids []ocsp.CertID) *question {
	for i := range ids {
		q := &question{ids: ids}
		for _, from := range s.issuers.find(id, &ids[i]) {
			if a, ok := s.Authorities.ByID(from.id); ok && a.Publishes() && a.Revocation.OCSP.Enabled {
				q.from = append(q.from, from)
			}
		}
		if len(q.from) > 0 {
			return q
		}
	}
	return nil
}

// presigned returns the answer for everybody to a question about one
// certificate, from the cache or for it.
func (s *Service) presigned(ctx context.Context, q *question) *Answer {
	raw := q.ids[0].Raw
	// It goes on when whoever asked first has gone: others wait for it, too.
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	old := s.known.get(raw)
	good := func(k *kept) bool {
		ours := slices.ContainsFunc(q.from, func(i *issuer) bool { return i.id == k.authority })
		return ours && s.Now().Before(k.answer.until)
	}
	made := s.known.fill(raw, good, func() (*Answer, string) {
		answer, known := s.inLane(wait, s.signing, q, nil)
		if answer == nil {
			return refuse(ocsp.TryLater), ""
		}
		if answer.Failure != 0 {
			return answer, ""
		}
		if !known {
			s.unknown.add(raw, q.authority.ID, answer)
			return answer, ""
		}
		return answer, q.authority.ID
	})
	if made.Failure != 0 && old != nil && s.Now().Before(old.answer.NextUpdate) {
		return old.answer // nothing was revoked since: that would have dropped it
	}
	return made
}

// inLane makes an answer in a lane, and says whether all certificates exist.
// It returns nil when there are too many waiting.
func (s *Service) inLane(ctx context.Context, l *lane, q *question, nonce []byte) (_ *Answer, known bool) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leave := l.enter(wait)
	if leave == nil {
		return nil, false
	}
	defer leave()
	answer, err := s.answer(context.WithoutCancel(ctx), q, nonce)
	if err == nil {
		return answer, q.known
	}
	warn(ctx, "no OCSP answer", q.from[0].id, err)
	switch fault.KindOf(err) { //nolint:exhaustive // the others are bugs
	case fault.Unavailable, fault.WrongState, fault.NotFound:
		return refuse(ocsp.TryLater), false
	}
	return refuse(ocsp.InternalError), false
}

// answer looks up, records and signs an answer.
func (s *Service) answer(ctx context.Context, q *question, nonce []byte) (*Answer, error) {
	if err := s.lookUp(ctx, q); err != nil {
		return nil, err
	}
	by, err := s.signer(ctx, q.authority)
	if err != nil {
		return nil, err
	}
	return own(ctx, s, q.authority, "AnswerOCSP", func(call *key.Call, v *guard.Visit) (*Answer, error) {
		for _, single := range q.singles {
			v.Note("status", fmt.Sprintf("%x %s", single.ID.Serial, single.Status))
		}
		now, next := s.span(q, by)
		for i := range q.singles {
			q.singles[i].ThisUpdate, q.singles[i].NextUpdate = now, next
		}
		data, err := (&ocsp.Response{Responder: by.responder, ProducedAt: now, Singles: q.singles, Nonce: nonce}).Encode()
		if err != nil {
			return nil, err
		}
		basic, err := s.sign(ctx, call, q.authority, by, data)
		if kind := fault.KindOf(err); err != nil && (kind == fault.NotFound || kind == fault.WrongState) {
			s.signers.reject(q.authority.ID, by) // somebody took its key away
		}
		if err != nil {
			return nil, err
		}
		der, err := ocsp.Envelop(basic)
		if err != nil || nonce != nil {
			return &Answer{DER: der}, err
		}
		sum := sha256.Sum256(der)
		return &Answer{
			DER: der, ThisUpdate: now, NextUpdate: next, Tag: hex.EncodeToString(sum[:16]), until: now.Add(next.Sub(now) / 2),
		}, nil
	})
}

// span returns the thisUpdate and nextUpdate of an answer: no longer than its
// signer lasts.
func (s *Service) span(q *question, by *signer) (now, next time.Time) {
	now = s.Now().UTC().Truncate(time.Second)
	next = now.Add(s.AnswerValidity)
	if !q.known {
		next = now.Add(unknownAge)
	}
	if by.notAfter.Before(next) {
		next = by.notAfter
	}
	return now, next
}

// lookUp finds what is to be said of the question's certificates, and which
// authority says it.
func (s *Service) lookUp(ctx context.Context, q *question) error {
	q.singles, q.known = nil, true
	for _, id := range q.ids {
		single, err := s.lookUpOne(ctx, q, id)
		if err != nil {
			return err
		}
		q.known = q.known && single.Status != ocsp.Unknown
		q.singles = append(q.singles, single)
	}
	if q.authority == nil {
		a, err := s.published(q.from[0].id)
		q.authority = a
		return err
	}
	return nil
}

// lookUpOne finds what is to be said of one certificate.
func (s *Service) lookUpOne(ctx context.Context, q *question, id ocsp.CertID) (ocsp.Single, error) {
	single := ocsp.Single{ID: id, Status: ocsp.Unknown}
	for _, from := range s.issuers.find("", &id) {
		if !s.answers(q, from) {
			continue
		}
		c, err := s.Authorities.Lookup(ctx, from.id, cert.SerialText(new(big.Int).SetBytes(id.Serial)))
		if err != nil && fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return single, err
		}
		if q.authority == nil {
			q.authority, _ = s.Authorities.ByID(from.id)
		}
		single.Status = ocsp.Good
		if c.RevokedAt != nil {
			single.Status, single.RevokedAt, single.Reason = ocsp.Revoked, *c.RevokedAt, int(c.Reason)
		}
		break
	}
	return single, nil
}

// answers reports whether an issuer may say something in the answer: it is one
// of those asked, and once one has spoken, that one.
func (s *Service) answers(q *question, who *issuer) bool {
	if q.authority != nil {
		return q.authority.ID == who.id
	}
	for _, from := range q.from {
		if from.id == who.id {
			return true
		}
	}
	return false
}

// forget drops the answers about a certificate.
func (s *Service) forget(authority, serial string) {
	number, ok := new(big.Int).SetString(serial, 16)
	a, exists := s.Authorities.ByID(authority)
	if !ok || !exists || !a.Publishes() {
		return
	}
	who, err := newIssuer(a)
	if err != nil {
		return // no CertID names it, and so no answer
	}
	questions := who.questions(number)
	s.known.forget(questions...)
	s.unknown.forget(questions...)
}
