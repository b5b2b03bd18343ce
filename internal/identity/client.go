package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// ClientCertificate says which certificates of TLS clients prove a user:
// either the one with the hash SHA256, whoever issued it, or all that an
// authority here issued with a Subject, a Name, or both.
type ClientCertificate struct {
	ID    string // "CERT" and 16 letters and digits
	Realm key.RealmID
	User  string
	// UserID is the user's stable id: another user of its name is not proved.
	UserID string
	// SHA256 is of the certificate in DER, in lower-case hex.
	SHA256 string
	// Authority is the issuer's id.
	Authority string
	// Subject is the whole subject as pkix.Name.String writes it (RFC 2253), Name
	// one of the alternative names.
	Subject, Name string
	CreatedAt     time.Time
}

// MethodMTLS is how a caller proved who it is by a client's certificate, in the
// audit log.
const MethodMTLS = "mtls"

// Issuers knows which authority issued a certificate. *ca.Service does.
type Issuers interface {
	// IssuerOf returns the authority that issued the certificate and its realm,
	// "" for one from elsewhere. A certificate that is revoked or on hold now, or
	// whose authority is not good any more, is an Unauthenticated error.
	IssuerOf(ctx context.Context, c *x509.Certificate) (authority string, realm key.RealmID, err error)
}

// clientRules is what proving by certificates needs: immutable, replaced whole.
type clientRules struct {
	byID        map[string]*ClientCertificate
	byHash      map[string]*ClientCertificate
	byAuthority map[string][]*ClientCertificate
}

// newClientRules returns the rules with their indexes.
func newClientRules(byID map[string]*ClientCertificate) *clientRules {
	r := &clientRules{byID: byID, byHash: map[string]*ClientCertificate{}, byAuthority: map[string][]*ClientCertificate{}}
	for _, c := range byID {
		if c.SHA256 != "" {
			r.byHash[c.SHA256] = c
		} else {
			r.byAuthority[c.Authority] = append(r.byAuthority[c.Authority], c)
		}
	}
	return r
}

// hashPrefix stands before the SHA-256 of a certificate.
const hashPrefix = "sha256:"

// CertificateHash names a certificate in the audit log: "sha256:" and the hash.
func CertificateHash(c *x509.Certificate) string { return hashPrefix + hashOf(c) }

func hashOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// ClientCaller returns whom a TLS client's certificate proves, at this moment.
// The handshake has shown that the client has its key. A certificate that
// proves nobody is an Unauthenticated error.
func (d *Directory) ClientCaller(ctx context.Context, c *x509.Certificate, issuers Issuers) (key.Caller, error) {
	if err := d.presentable(c); err != nil {
		return key.Caller{}, err
	}
	authority, realm, err := issuers.IssuerOf(ctx, c)
	if err != nil {
		return key.Caller{}, err
	}
	rule, err := d.clients.Load().match(c, authority)
	if err != nil {
		return key.Caller{}, err
	}
	u, ok := d.current.Load().users[userRow(rule.Realm, rule.User)]
	if !ok || u.ID != rule.UserID || rule.SHA256 == "" && rule.Realm != realm {
		return key.Caller{}, unknownClient()
	}
	return key.Caller{
		Principal:  key.Principal{Realm: u.Realm, Kind: key.User, Name: u.Name},
		Credential: CertificateHash(c), UserID: u.ID, Method: MethodMTLS,
	}, nil
}

func unknownClient() error {
	return fault.Because(fault.Unauthenticated, fault.UnknownCredential, "the client's certificate is nobody's")
}

// presentable refuses certificates that are not valid now, or not for clients.
func (d *Directory) presentable(c *x509.Certificate) error {
	now := d.now()
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fault.Because(fault.Unauthenticated, fault.ExpiredCredential, "the client's certificate is not valid now")
	}
	forClients := len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || // RFC 5280 section 4.2.1.12: then for anything
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	if c.IsCA || !forClients {
		return fault.Because(fault.Unauthenticated, fault.UnsupportedProof, "the client's certificate is not for TLS clients")
	}
	return nil
}

// match returns the rule that a certificate of the authority fits: the one
// with its hash before all others. Rules that prove different users prove none.
func (r *clientRules) match(c *x509.Certificate, authority string) (*ClientCertificate, error) {
	if rule, ok := r.byHash[hashOf(c)]; ok {
		return rule, nil
	}
	var found *ClientCertificate
	if authority != "" {
		for _, rule := range r.byAuthority[authority] {
			switch {
			case !rule.fits(c):
			case found == nil:
				found = rule
			case found.UserID != rule.UserID:
				return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "the client's certificate is of more than one user")
			}
		}
	}
	if found == nil {
		return nil, unknownClient()
	}
	return found, nil
}

// fits reports whether a certificate of the rule's authority has the rule's
// subject and name.
func (c *ClientCertificate) fits(x *x509.Certificate) bool {
	return (c.Subject == "" || c.Subject == x.Subject.String()) && (c.Name == "" || slices.Contains(alternativeNames(x), strings.ToLower(c.Name)))
}

// alternativeNames returns the names of a certificate that rules may have, in
// lower case. Names of different kinds look different.
func alternativeNames(c *x509.Certificate) []string {
	var names []string
	for _, list := range [][]string{c.DNSNames, c.EmailAddresses} {
		for _, n := range list {
			names = append(names, strings.ToLower(n))
		}
	}
	for _, u := range c.URIs {
		names = append(names, strings.ToLower(u.String()))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
