package ca

import (
	"crypto/x509"
	"sync"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/lint"
)

// knowledge returns what the lint is told of the authorities: a certificate
// is held against all that are above it, and nobody gets one for an
// authority's key.
func (s *Service) knowledge() lint.Knowledge {
	k := &known{service: s}
	return lint.Knowledge{
		Now: s.now,
		Above: func(issuer *x509.Certificate) []*x509.Certificate {
			if a := k.current().byCert[issuer]; a != nil {
				return k.above(a)
			}
			return nil
		},
		HasKey: func(spki []byte) bool {
			_, has := k.current().keys[string(spki)]
			return has
		},
	}
}

// known indexes the authorities, once for each snapshot.
type known struct {
	service *Service
	latest  atomic.Pointer[index]
	chains  sync.Map // of authority id to chain: parsing them takes longer than the lint
}

type index struct {
	of     *snapshot
	byCert map[*x509.Certificate]*authority
	keys   map[string]struct{} // by SubjectPublicKeyInfo
}

// chain is the certificates above one.
type chain struct {
	below *x509.Certificate
	above []*x509.Certificate
}

// current returns the index of the current snapshot.
func (k *known) current() *index {
	snap := k.service.live.Load()
	if have := k.latest.Load(); have != nil && have.of == snap {
		return have
	}
	next := &index{of: snap, byCert: map[*x509.Certificate]*authority{}, keys: map[string]struct{}{}}
	for _, a := range snap.byID {
		if a.cert != nil {
			next.byCert[a.cert] = a
			next.keys[string(a.cert.RawSubjectPublicKeyInfo)] = struct{}{}
		}
	}
	k.latest.Store(next)
	return next
}

// above returns the certificates of an authority's issuers.
func (k *known) above(a *authority) []*x509.Certificate {
	if have, ok := k.chains.Load(a.ID); ok {
		if c, ok := have.(chain); ok && c.below == a.cert {
			return c.above
		}
	}
	c := chain{below: a.cert}
	for _, der := range a.Chain {
		if issuer, err := x509.ParseCertificate(der); err == nil {
			c.above = append(c.above, issuer)
		}
	}
	k.chains.Store(a.ID, c)
	return c.above
}
