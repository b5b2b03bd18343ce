package native

import (
	"encoding/pem"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// TagsOut puts tags into the API's shape.
func TagsOut(tags []key.Tag) []wire.Tag {
	list := make([]wire.Tag, len(tags))
	for i, t := range tags {
		list[i] = wire.Tag(t)
	}
	return list
}

// TagsIn is the way back.
func TagsIn(tags []wire.Tag) []key.Tag {
	list := make([]key.Tag, len(tags))
	for i, t := range tags {
		list[i] = key.Tag(t)
	}
	return list
}

// PEM writes certificates in PEM (RFC 7468 section 5), one after another.
func PEM(ders ...[]byte) string {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return string(text)
}

// CertificateOf reads a member that is one certificate in PEM.
func CertificateOf(member, text string) ([]byte, error) {
	if err := Required(member, text); err != nil {
		return nil, err
	}
	list, err := keystore.ParseCertificates("the member \""+member+"\"", []byte(text))
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCertificate, "the member %q has %d certificates, and not one", member, len(list))
	}
	return list[0], nil
}

// ReasonOf reads a reason for a revocation; "" is unspecified.
func ReasonOf(text string) (ca.Reason, error) {
	if text == "" {
		return ca.Unspecified, nil
	}
	return ca.ParseReason(text)
}

// IdentitiesOut returns a page of a listing of the directory's in the API's shape.
func IdentitiesOut[T, Out any](
	r *Request, list func(identity.Page) ([]T, string, error), shape func(T, error) (*Out, error),
) (all []Out, next string, err error) {
	page, err := r.Page()
	if err != nil {
		return nil, "", err
	}
	found, next, err := list(identity.Page(page))
	all = make([]Out, len(found))
	for i, t := range found {
		out, _ := shape(t, nil) // which fails for the error only
		all[i] = *out
	}
	return all, next, err
}

// SessionOut puts a temporary credential into the API's shape.
func SessionOut(s *identity.NewSession) *wire.Session {
	return &wire.Session{AccessKeyID: s.ID, SecretAccessKey: s.Secret, SessionToken: s.Token, ExpiresAt: s.Expires}
}

// Nothing is the answer of an operation that has none.
func Nothing(err error) (*wire.None, error) { return nil, err }
