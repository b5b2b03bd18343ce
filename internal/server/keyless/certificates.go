package keyless

import (
	"context"
	"crypto/x509"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

// Certificates finds public keys by the certificates of a Holdfast: those of the
// inventory by server names, managed ones by their ids, issued ones by
// "authority id/serial".
type Certificates struct {
	Inventory   *inventory.Service
	Managed     *managed.Service
	Authorities *ca.Service
}

// Named returns the public keys of the certificates for a server's name.
func (c *Certificates) Named(ctx context.Context, realm key.RealmID, server string) ([][]byte, error) {
	list, err := c.Inventory.Named(ctx, realm, server)
	var keys [][]byte
	for _, one := range list {
		keys = append(keys, one.RawSubjectPublicKeyInfo)
	}
	return keys, err
}

// Identified returns the public key of the realm's certificate with an id, nil
// for none.
func (c *Certificates) Identified(ctx context.Context, realm key.RealmID, id string) ([]byte, error) {
	owner, der, err := c.identified(ctx, id)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil || owner != realm || der == nil {
		return nil, err
	}
	one, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil //nolint:nilerr // of a type that the protocol does not have either
	}
	return one.RawSubjectPublicKeyInfo, nil
}

// identified returns a certificate and its realm.
func (c *Certificates) identified(ctx context.Context, id string) (key.RealmID, []byte, error) {
	if authority, serial, ok := strings.Cut(id, "/"); ok {
		issued, err := c.Authorities.Lookup(ctx, authority, serial)
		if err != nil {
			return "", nil, err
		}
		a, ok := c.Authorities.ByID(authority)
		if !ok {
			return "", nil, nil
		}
		return a.Realm, issued.DER, nil
	}
	one, err := c.Managed.Lookup(ctx, id)
	if err != nil {
		return "", nil, err
	}
	return one.Realm, one.DER, nil
}
