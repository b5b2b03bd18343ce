//go:build !noaws

package place

import (
	"cmp"
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// newAWS returns a place of the keys of an account and region of AWS KMS.
func newAWS(ctx context.Context, u *URI, set *Settings) (Place, error) {
	o := awskms.Options{
		Settings: set.line(SchemeAWS), Region: u.Query["region"], Profile: u.Query["profile"], Endpoint: u.Query["endpoint"],
		STSEndpoint: u.Query["sts-endpoint"], Role: u.Query["role"], ExternalID: u.Query["external-id"], WebIdentityTokenFile: u.Query["web-identity-token-file"],
	}
	if u.Host != "" {
		o.Endpoint = cmp.Or(o.Endpoint, "https://"+u.Host)
	}
	if o.Region == "" && strings.HasPrefix(u.Key, "arn:") {
		if parts := strings.Split(u.Key, ":"); len(parts) > 3 {
			o.Region = parts[3]
		}
	}
	var err error
	if o.CA, err = pool(u.Query["ca"]); err != nil {
		return nil, err
	}
	w, err := newWrapper()
	if err != nil {
		return nil, err
	}
	e, err := awskms.New(ctx, w, o)
	if err != nil {
		return nil, err
	}
	return &enginePlace{
		engine: e,
		name:   func(u *URI) string { return u.Key },
		uri:    func(place *URI, arn string) *URI { return place.with(arn) },
		fresh: func(u *URI) (string, error) {
			if !strings.HasPrefix(u.Key, "alias/") {
				return "", fault.New(fault.InvalidArgument, "a new key is named by an alias: AWS chooses its id")
			}
			return u.Key, nil
		},
	}, nil
}
