package inventory

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// maxNamed is how many certificates are considered for one server's name.
const maxNamed = 256

// Named returns the certificates of a realm that are valid now for a server's
// name, by the name itself or by a wildcard in the place of its first label (RFC
// 6125 section 6.4.3), those that end last first. It asks for no decision: it is
// for parts of Holdfast that have to find the key of a server.
func (s *Service) Named(ctx context.Context, realm key.RealmID, server string) ([]*x509.Certificate, error) {
	l := &search{
		Query: Query{State: Valid}, now: s.now(), limit: maxNamed, budget: maxLooks,
		scope: &scope{realm: realm, authorities: s.ownAuthorities(realm), foreign: true},
	}
	l.plan = plan{"all", false, l.everything}
	if s.index.ready() {
		l.plan = l.byTerms("name", termsOf(realm, server))
		if err := s.index.flush(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.store.View(ctx, l.run); err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	for _, e := range l.list {
		if c, err := x509.ParseCertificate(e.DER); err == nil && c.VerifyHostname(server) == nil && !l.now.Before(c.NotBefore) {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b *x509.Certificate) int { return b.NotAfter.Compare(a.NotAfter) })
	return found, nil
}

// termsOf returns the ranges of terms of the certificates that may be a
// server's.
func termsOf(realm key.RealmID, server string) []term.Range {
	names := []string{server}
	if _, domain, ok := strings.Cut(server, "."); ok {
		names = append(names, "*."+domain)
	}
	var ranges []term.Range
	for _, name := range names {
		kind, value := term.NameValue(name)
		ranges = append(ranges, term.PrefixRange(term.Prefix(realm, kind)+value+"/"))
	}
	return ranges
}
