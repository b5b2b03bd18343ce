package ca

import (
	"crypto/x509"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// knowledge returns what the lint is told of the authorities: a certificate
// is held against all that are above it, and nobody gets one for an
// authority's key.
func (s *Service) knowledge(published *weakkey.Blocklist) lint.Knowledge {
	k := &s.known
	return lint.Knowledge{
		Now: s.now, Published: published,
		Above: func(issuer *x509.Certificate) []*x509.Certificate {
			if a := k.current().byCert[issuer]; a != nil {
				return a.path[1:]
			}
			return nil
		},
		HasKey: func(spki []byte) bool {
			return k.hasKey(spki)
		},
	}
}

// known indexes the authorities, once for each snapshot.
type known struct {
	service *Service
	latest  atomic.Pointer[index]
}

type index struct {
	of     *snapshot
	byCert map[*x509.Certificate]*authority
	keys   map[string]struct{} // by SubjectPublicKeyInfo
}

// hasKey reports whether an authority has the public key, in DER.
func (k *known) hasKey(spki []byte) bool {
	_, has := k.current().keys[string(spki)]
	return has
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
		}
		if spki, err := a.spki(); err == nil {
			next.keys[string(spki)] = struct{}{}
		}
	}
	k.latest.Store(next)
	return next
}
