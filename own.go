package holdfast

import (
	"crypto"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/place"
)

// NewKey returns a Key of what a program has by itself, for a Provider of its
// own: a crypto.Signer, which may be a crypto.Decrypter as well, with a public
// half of a known type. The URI is what errors call it.
func NewKey(uri string, private any) (*Key, error) {
	const op = "taking"
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, refuse(Unsupported, op, uri, "it is no crypto.Signer")
	}
	public, err := parsePublic(signer.Public())
	if err != nil {
		return nil, failed(op, uri, err)
	}
	spec := public.Spec()
	if spec == alg.NoSpec {
		return nil, failed(op, uri, fault.New(fault.Unsupported, "a key of this size or curve is not known here"))
	}
	o := &place.Opened{Spec: spec, Usage: alg.SignVerify, Public: public, Key: &engine.Key{Signer: signer}}
	if d, ok := private.(crypto.Decrypter); ok {
		o.Key.Decrypter, o.Key.Algorithms = d, spec.Info().Algorithms
	}
	return newKey(uri, o), nil
}
