package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Wrapper encrypts what an engine gives to be kept, under a realm's key. It is
// called from many goroutines at once. Unwrap returns an error for anything
// but what Wrap made for the same realm and associated data.
type Wrapper interface {
	Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error)
	Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error)
}

// Box encrypts an engine's records for one version of one key each, as
//
//	version   1 byte, the format's
//	box       what Wrapper.Wrap made of the record
//
// with the associated data of Ref.Bind, so that a record opens as no other key,
// version or spec.
type Box struct {
	Wrapper Wrapper
	// Label names the format, such as "holdfast/pkcs11/reference"; Version is
	// that of the format.
	Label   string
	Version byte
}

// Seal encrypts a record.
func (b Box) Seal(ref Ref, spec alg.Spec, record []byte) ([]byte, error) {
	box, err := b.Wrapper.Wrap(ref.Realm, record, ref.Bind(b.Label, b.Version, spec))
	if err != nil {
		return nil, b.failed("sealing", ref, err)
	}
	return append([]byte{b.Version}, box...), nil
}

// Open decrypts a record. One that was changed, or that belongs to another key,
// version or spec, is an Internal error.
func (b Box) Open(ref Ref, spec alg.Spec, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 || wrapped[0] != b.Version {
		return nil, b.failed("unsealing", ref, errors.New("it is in no format that this version of Holdfast knows"))
	}
	record, err := b.Wrapper.Unwrap(ref.Realm, wrapped[1:], ref.Bind(b.Label, b.Version, spec))
	if err != nil {
		return nil, b.failed("unsealing", ref, err)
	}
	return record, nil
}

// SealJSON encrypts a value as JSON.
func (b Box) SealJSON(ref Ref, spec alg.Spec, v any) ([]byte, error) {
	record, err := json.Marshal(v)
	if err != nil {
		return nil, b.failed("sealing", ref, err)
	}
	return b.Seal(ref, spec, record)
}

// OpenJSON decrypts what SealJSON made. A field that v does not have is an
// error.
func (b Box) OpenJSON(ref Ref, spec alg.Spec, wrapped []byte, v any) error {
	record, err := b.Open(ref, spec, wrapped)
	if err != nil {
		return err
	}
	in := json.NewDecoder(bytes.NewReader(record))
	in.DisallowUnknownFields()
	if err := in.Decode(v); err != nil {
		return b.failed("unsealing", ref, err)
	}
	return nil
}

// Spec returns the spec as which a record opens: whoever destroys a key is not
// told what it is.
func (b Box) Spec(ref Ref, wrapped []byte) (alg.Spec, error) {
	last := b.failed("unsealing", ref, errors.New("it opens as no spec"))
	for _, spec := range alg.Specs() {
		record, err := b.Open(ref, spec, wrapped)
		if err == nil {
			clear(record)
			return spec, nil
		}
		if fault.KindOf(err) == fault.Unavailable {
			return alg.NoSpec, err
		}
	}
	return alg.NoSpec, last
}

// failed says what the wrapper failed at. That the seal is out of reach for
// the moment stays what it is; all else means that the record was changed or
// is another key's.
func (b Box) failed(doing string, ref Ref, err error) error {
	kind := fault.Internal
	if fault.KindOf(err) == fault.Unavailable {
		kind = fault.Unavailable
	}
	return &fault.Error{Kind: kind, Op: b.Label, Err: fmt.Errorf("%s the record of %s: %w", doing, ref, err)}
}
