package lint

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the KeyHash of a responder is SHA-1 by definition (RFC 6960 section 4.2.1)
	"encoding/asn1"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Response lints the ResponseData (RFC 6960 section 4.2.1) of an OCSP answer
// that the responder's key is to sign: that it is well-formed, names that key
// if it names one, answers something, and that its times are in order. The
// token's Sign returns a BasicOCSPResponse with the certificates, in DER,
// beside the signature.
func (l *Linter) Response(data []byte, responder *engine.PublicKey, a alg.Algorithm, certificates ...[]byte) (*Token, error) {
	if err := cert.CheckAlgorithm(responder.Spec(), a); err != nil {
		return nil, err
	}
	if bad := lintResponse(data, responder); len(bad) > 0 {
		return nil, fault.Because(fault.InvalidArgument, fault.LintFailed,
			"the OCSP response is refused by %s", strings.Join(bad, ", "))
	}
	t := &Token{tbs: data, algorithm: a, issuer: responder}
	if len(certificates) == 0 {
		return t, nil
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, der := range certificates {
				b.AddBytes(der)
			}
		})
	})
	var err error
	t.trailer, err = b.Bytes()
	return t, err
}

// lintResponse returns the names of what is wrong with a ResponseData.
func lintResponse(data []byte, responder *engine.PublicKey) []string {
	malformed := []string{"e_holdfast_ocsp_malformed"}
	in := cryptobyte.String(data)
	var body, id, answers cryptobyte.String
	var tag cbasn1.Tag
	var produced time.Time
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() ||
		!body.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadAnyASN1(&id, &tag) || !body.ReadASN1GeneralizedTime(&produced) ||
		!body.ReadASN1(&answers, cbasn1.SEQUENCE) {
		return malformed
	}
	var bad []string
	if byKey := cbasn1.Tag(2).ContextSpecific().Constructed(); tag == byKey && !names(id, responder) {
		bad = append(bad, "e_holdfast_ocsp_responder_is_not_the_signer")
	}
	if answers.Empty() {
		bad = append(bad, "e_holdfast_ocsp_answers_nothing")
	}
	for !answers.Empty() {
		name, ok := lintAnswer(&answers)
		if !ok {
			return malformed
		}
		if name != "" {
			bad = append(bad, name)
		}
	}
	return bad
}

// names reports whether a KeyHash is the key's.
func names(id cryptobyte.String, k *engine.PublicKey) bool {
	var hash []byte
	if !id.ReadASN1Bytes(&hash, cbasn1.OCTET_STRING) || !id.Empty() {
		return false
	}
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(k.SPKI(), &info); err != nil {
		return false
	}
	want := sha1.Sum(info.Key.Bytes) //nolint:gosec // see the import
	return bytes.Equal(hash, want[:])
}

// lintAnswer reads one SingleResponse and returns the name of what is wrong
// with it, if anything is.
func lintAnswer(list *cryptobyte.String) (name string, ok bool) {
	var answer, next cryptobyte.String
	var status cbasn1.Tag
	var skipped cryptobyte.String
	var thisUpdate, nextUpdate time.Time
	var has bool
	if !list.ReadASN1(&answer, cbasn1.SEQUENCE) || !answer.SkipASN1(cbasn1.SEQUENCE) ||
		!answer.ReadAnyASN1(&skipped, &status) || !answer.ReadASN1GeneralizedTime(&thisUpdate) ||
		!answer.ReadOptionalASN1(&next, &has, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return "", false
	}
	if has && (!next.ReadASN1GeneralizedTime(&nextUpdate) || !next.Empty()) {
		return "", false
	}
	if has && !nextUpdate.After(thisUpdate) {
		return "e_holdfast_ocsp_next_update_before_this_update", true
	}
	return "", true
}
