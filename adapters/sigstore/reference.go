package sigstore

import (
	"context"
	"crypto"
	"fmt"
	"net/url"
	"strings"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms"

	"github.com/holdfast-kms/holdfast"
)

// Scheme is what the references of keys begin with.
const Scheme = "holdfast://"

// Programs import providers for this effect alone: kms.Get has no other way to
// learn of them.
func init() { //nolint:gochecknoinits // see above
	kms.AddProvider(Scheme, Provider())
}

// Provider returns what kms.AddProvider takes, for a program that opens keys
// with options, or that has references with other schemes served as well: every
// URI of package holdfast is one.
func Provider(opts ...holdfast.Option) kms.ProviderInit {
	return func(ctx context.Context, ref string, hash crypto.Hash, rpc ...signature.RPCOption) (kms.SignerVerifier, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := new(call).apply(rpc); err != nil {
			return nil, err
		}
		return New(ref, hash, opts...)
	}
}

// uriOf returns the URI that a reference stands for.
func uriOf(ref string) (string, error) {
	if query, ok := strings.CutPrefix(ref, Scheme+"?"); ok {
		values, err := url.ParseQuery(query)
		if err != nil || len(values) != 1 || len(values["uri"]) != 1 {
			return "", fmt.Errorf("%s? is followed by uri= and a percent-encoded URI, and nothing else", Scheme)
		}
		ref = values.Get("uri")
	}
	if _, err := holdfast.ParseURI(ref); err != nil {
		return "", err
	}
	return ref, nil
}
