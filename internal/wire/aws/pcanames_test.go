package aws

import (
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Every key of an authority, and every algorithm that it signs with, has a
// name that reads back as the same.
func TestAuthorityNames(t *testing.T) {
	for _, s := range []alg.Spec{
		alg.RSA2048, alg.RSA3072, alg.RSA4096, alg.P256, alg.P384, alg.P521, alg.Ed25519, alg.MLDSA44, alg.MLDSA65, alg.MLDSA87,
	} {
		if back, ok := ParseKeyAlgorithm(KeyAlgorithmName(s)); !ok || back != s {
			t.Errorf("%s is called %q, which is %v", s, KeyAlgorithmName(s), back)
		}
		for _, a := range s.For(alg.SignVerify) {
			name := CAAlgorithmName(a, s)
			if back, ok := ParseCAAlgorithm(name, s); a != alg.Ed25519ph && (!ok || back != a) {
				t.Errorf("%s of %s is called %q, which is %v", a, s, name, back)
			}
		}
	}
	for _, c := range []struct {
		name string
		spec alg.Spec
	}{
		{"SHA256WITHRSA", alg.P256},
		{"SHA256WITHECDSA", alg.RSA2048},
		{"ML_DSA_44", alg.MLDSA65},
		{"ML_DSA_44", alg.RSA2048},
		{"SM3WITHSM2", alg.P256},
		{"", alg.P256},
	} {
		if a, ok := ParseCAAlgorithm(c.name, c.spec); ok {
			t.Errorf("%s signs with %q, %v", c.spec, c.name, a)
		}
	}
	if s, ok := ParseKeyAlgorithm("SM2"); ok {
		t.Errorf("SM2 is %v", s)
	}
}

func TestTemplates(t *testing.T) {
	names := Templates()
	if len(names) != 61 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("%d templates: %v", len(names), names)
	}
	for _, name := range names {
		if got, ok := ParseTemplate(TemplateARN(name)); !ok || got != name {
			t.Errorf("%s is %q", TemplateARN(name), got)
		}
		got, ok := templateARN(&policy.Request{Attributes: &policy.Attributes{Profile: name}})
		if want := policy.Text(TemplateARN(name)); !ok || got != want {
			t.Errorf("the condition key of %s is %v", name, got)
		}
	}
	for _, arn := range []string{
		"", "EndEntityCertificate/V1", "arn:aws:acm-pca:::template/EndEntityCertificate", "arn:aws:acm-pca:::template/",
		"arn:aws:acm-pca:::template/EndEntityCertificate/V2", "arn:aws:acm-pca:us-east-1::template/EndEntityCertificate/V1",
		"arn:aws:acm-pca:::template/BlankEndEntityCertificate/V1", "arn:aws:acm-pca:::template/RootCACertificate_CSRPassthrough/V1",
	} {
		if name, ok := ParseTemplate(arn); ok {
			t.Errorf("%q is %s", arn, name)
		}
	}
	for profile, template := range templates {
		if !slices.Contains(names, template) {
			t.Errorf("profile %s is like %s, which is no template", profile, template)
		}
	}
}
