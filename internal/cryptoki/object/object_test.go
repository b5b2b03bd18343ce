package object

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

func refused(t *testing.T, what string, err error, want pkcs11.RV) {
	t.Helper()
	if v, ok := errors.AsType[pkcs11.RV](err); !ok || v != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// signers returns one key pair of each type.
func signers(t *testing.T) map[pkcs11.KeyType]any {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[pkcs11.KeyType]any{pkcs11.KeyRSA: r, pkcs11.KeyEC: e, pkcs11.KeyECEdwards: d}
}

// TestRoundTrip shows a key pair as attributes, and makes the same key of them.
func TestRoundTrip(t *testing.T) {
	for kind, k := range signers(t) {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(k.(crypto.Signer).Public())
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePublic(spki)
		if err != nil || p.Type != kind {
			t.Fatalf("%+v, %v", p, err)
		}
		private := Object{Class: pkcs11.ClassPrivateKey, Key: &Key{Type: kind, Public: p, Extractable: true}}
		public := Object{Class: pkcs11.ClassPublicKey, Key: &Key{Type: kind, Public: p}}
		var parts, open Template
		for _, a := range []pkcs11.AttributeType{
			pkcs11.AttrModulus, pkcs11.AttrPublicExponent, pkcs11.AttrECParams, pkcs11.AttrECPoint, pkcs11.AttrPrivateExponent,
			pkcs11.AttrPrime1, pkcs11.AttrPrime2, pkcs11.AttrExponent1, pkcs11.AttrExponent2, pkcs11.AttrCoefficient, pkcs11.AttrValue,
		} {
			if v, err := public.Attribute(a); err == nil {
				open = append(open, pkcs11.Attribute{Type: a, Value: v})
			}
			v, err := private.Attribute(a)
			if errors.Is(err, pkcs11.RVAttributeSensitive) {
				v, err = private.Material(a, der)
			}
			if err == nil {
				parts = append(parts, pkcs11.Attribute{Type: a, Value: v})
			}
		}
		again, spec, err := parts.Private(kind)
		if err != nil || spec != p.Spec || !cmp.Equal(again, der) {
			t.Errorf("%s: %s, %v", pkcs11.TypeName(kind), spec, err)
		}
		if got, err := SpecOfPrivate(der); err != nil || got != spec {
			t.Errorf("%s, %v", got, err)
		}
		if got, err := open.SPKI(kind); err != nil || !cmp.Equal(got, spki) {
			t.Errorf("%s: the public half: %v", pkcs11.TypeName(kind), err)
		}
	}
}

func TestCreateRefused(t *testing.T) {
	r := signers(t)[pkcs11.KeyRSA].(*rsa.PrivateKey)
	parts := Template{
		pkcs11.Bytes(pkcs11.AttrModulus, r.N.Bytes()), pkcs11.Bytes(pkcs11.AttrPublicExponent, []byte{1, 0, 1}), pkcs11.Bytes(pkcs11.AttrPrivateExponent, r.D.Bytes()),
		pkcs11.Bytes(pkcs11.AttrPrime1, r.Primes[0].Bytes()), pkcs11.Bytes(pkcs11.AttrPrime2, r.Primes[0].Bytes()),
	}
	_, _, err := parts.Private(pkcs11.KeyRSA)
	refused(t, "factors that are none", err, pkcs11.RVAttributeValueInvalid)
	_, _, err = parts[:3].Private(pkcs11.KeyRSA)
	refused(t, "no factors", err, pkcs11.RVTemplateIncomplete)
	point := Template{pkcs11.Bytes(pkcs11.AttrECParams, paramsOf(alg.P256)), pkcs11.Bytes(pkcs11.AttrECPoint, append([]byte{4, 65, 4}, make([]byte, 64)...))}
	_, err = point.SPKI(pkcs11.KeyEC)
	refused(t, "a point off its curve", err, pkcs11.RVAttributeValueInvalid)
	_, _, err = Template{pkcs11.Bytes(pkcs11.AttrECParams, paramsOf(alg.P256)), pkcs11.Bytes(pkcs11.AttrValue, make([]byte, 32))}.Private(pkcs11.KeyEC)
	refused(t, "the scalar 0", err, pkcs11.RVAttributeValueInvalid)
	_, _, err = Template{pkcs11.Text(pkcs11.AttrECParams, "\x06\x05\x2b\x81\x04\x00\x0a")}.Private(pkcs11.KeyEC)
	refused(t, "another curve", err, pkcs11.RVCurveNotSupported)
}

func TestTemplates(t *testing.T) {
	yes, no := []byte{1}, []byte{0}
	is := func(t pkcs11.AttributeType, v []byte) Template { return Template{{Type: t, Value: v}} }
	for name, c := range map[string]struct {
		template Template
		want     pkcs11.RV
	}{
		"nothing":                  {nil, pkcs11.RVOK},
		"a label":                  {is(pkcs11.AttrLabel, []byte("label")), pkcs11.RVOK},
		"what is so anyhow":        {is(pkcs11.AttrAlwaysAuthenticate, no), pkcs11.RVOK},
		"a login for each use":     {is(pkcs11.AttrAlwaysAuthenticate, yes), pkcs11.RVTemplateInconsistent},
		"only under trusted keys":  {is(pkcs11.AttrWrapWithTrusted, yes), pkcs11.RVTemplateInconsistent},
		"no change":                {is(pkcs11.AttrModifiable, no), pkcs11.RVTemplateInconsistent},
		"a template in a template": {is(pkcs11.AttrUnwrapTemplate, []byte{0, 0, 0, 0}), pkcs11.RVAttributeTypeInvalid},
		"what only the token says": {is(pkcs11.AttrLocal, yes), pkcs11.RVAttributeTypeInvalid},
		"another class":            {Template{pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassData)}, pkcs11.RVTemplateInconsistent},
		"a class of one byte":      {is(pkcs11.AttrClass, yes), pkcs11.RVTemplateInconsistent},
		"a truth of 8 bytes":       {Template{pkcs11.Number(pkcs11.AttrToken, pkcs11.Class(1))}, pkcs11.RVAttributeValueInvalid},
		"a use that is neither":    {is(pkcs11.AttrSign, []byte{2}), pkcs11.RVAttributeValueInvalid},
		"no value":                 {is(pkcs11.AttrLabel, nil), pkcs11.RVAttributeValueInvalid},
		"the same twice":           {append(is(pkcs11.AttrLabel, yes), is(pkcs11.AttrLabel, yes)...), pkcs11.RVTemplateInconsistent},
		"a long label":             {is(pkcs11.AttrLabel, make([]byte, MaxLabel+1)), pkcs11.RVAttributeValueInvalid},
		"a long ID":                {is(pkcs11.AttrID, make([]byte, MaxID+1)), pkcs11.RVAttributeValueInvalid},
	} {
		_, err := c.template.Read(pkcs11.ClassPrivateKey, pkcs11.KeyEC)
		if c.want == pkcs11.RVOK {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		refused(t, name, err, c.want)
	}
	w, err := Template{pkcs11.Bool(pkcs11.AttrSign, true), pkcs11.Bool(pkcs11.AttrDerive, false), pkcs11.Bool(pkcs11.AttrToken, true)}.Read(pkcs11.ClassPrivateKey, pkcs11.KeyEC)
	want := Wish{Class: pkcs11.ClassPrivateKey, Type: pkcs11.KeyEC, Token: true, Private: true, Can: Sign, Said: Sign | Derive, Sensitive: true}
	if diff := cmp.Diff(want, w); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
}

func TestSpecs(t *testing.T) {
	bits := func(n uint64) Template { return Template{pkcs11.Number(pkcs11.AttrModulusBits, pkcs11.Class(n))} }
	for n, want := range map[uint64]alg.Spec{2048: alg.RSA2048, 3072: alg.RSA3072, 4096: alg.RSA4096} {
		if got, err := bits(n).Spec(pkcs11.KeyRSA); got != want || err != nil {
			t.Errorf("%d bits: %s, %v", n, got, err)
		}
	}
	_, err := bits(1024).Spec(pkcs11.KeyRSA)
	refused(t, "1024 bits", err, pkcs11.RVKeySizeRange)
	_, err = append(bits(2048), pkcs11.Bytes(pkcs11.AttrPublicExponent, []byte{3})).Spec(pkcs11.KeyRSA)
	refused(t, "the exponent 3", err, pkcs11.RVAttributeValueInvalid)
	for _, name := range []string{edwardsName, "\x06\x03\x2b\x65\x70"} {
		if got, err := (Template{pkcs11.Text(pkcs11.AttrECParams, name)}).Spec(pkcs11.KeyECEdwards); got != alg.Ed25519 || err != nil {
			t.Errorf("%q: %s, %v", name, got, err)
		}
	}
	_, err = Template{pkcs11.Text(pkcs11.AttrECParams, edwardsName)}.Spec(pkcs11.KeyEC)
	refused(t, "an Edwards curve for ECDSA", err, pkcs11.RVCurveNotSupported)
	_, err = Template{}.Spec(pkcs11.KeyEC)
	refused(t, "no curve", err, pkcs11.RVTemplateIncomplete)
}

func TestMatches(t *testing.T) {
	o := Object{Class: pkcs11.ClassSecretKey, Label: "a", ID: []byte{1}, Key: &Key{Type: pkcs11.KeyAES, Length: 16, Can: Encrypt}}
	for name, c := range map[string]struct {
		template Template
		want     bool
	}{
		"nothing":     {nil, true},
		"all of it":   {Template{pkcs11.Text(pkcs11.AttrLabel, "a"), pkcs11.Bool(pkcs11.AttrEncrypt, true), pkcs11.Number(pkcs11.AttrValueLen, pkcs11.Class(16))}, true},
		"one other":   {Template{pkcs11.Text(pkcs11.AttrLabel, "a"), pkcs11.Bool(pkcs11.AttrDecrypt, true)}, false},
		"what it has": {Template{pkcs11.Bytes(pkcs11.AttrModulus, nil)}, false},
		"its secret":  {Template{pkcs11.Bytes(pkcs11.AttrValue, []byte{})}, false},
	} {
		if got := o.Matches(c.template); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	v, err := asn1.Marshal(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCertificate(v); err == nil {
		t.Error("a number is a certificate")
	}
}
