//go:build !nogcp

package place

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// newGoogle returns a place of the keys of a key ring.
func newGoogle(ctx context.Context, u *URI, set *Settings) (Place, error) {
	authorities, err := pemFile(u.Query["ca"])
	if err != nil {
		return nil, err
	}
	w, err := newWrapper()
	if err != nil {
		return nil, err
	}
	o := gcpkms.Options{
		Settings: set.line(SchemeGoogle), KeyRing: Of(u).Key, Level: strings.ToUpper(u.Query["protection"]), Endpoint: u.Query["endpoint"], CA: authorities,
		CredentialsFile: u.Query["credentials"], QuotaProject: u.Query["quota-project"],
	}
	if o.CredentialsFile == "none" {
		o.CredentialsFile, o.Anonymous = "", true
	}
	e, err := gcpkms.New(ctx, w, o)
	if err != nil {
		return nil, err
	}
	return &enginePlace{
		engine: e,
		name:   func(u *URI) string { return u.Key },
		uri:    func(place *URI, name string) *URI { return place.with(name) },
		fresh: func(u *URI) (string, error) {
			_, id, _ := strings.Cut(u.Key, "/cryptoKeys/")
			if strings.Contains(id, "/") {
				return "", fault.New(fault.InvalidArgument, "a new key has a name and no version: its first is 1")
			}
			return id, nil
		},
	}, nil
}
