package awskms_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/compliance"
)

// surveyed looks at an account and returns what it was told.
func surveyed(t *testing.T, s *service, region string) *compliance.Report {
	t.Helper()
	o := s.options("account")
	o.Region, o.TrailEndpoint = region, s.url
	c := compliance.NewChecker("AWS", compliance.Defaults(), time.Now())
	if err := newEngine(t, o).Survey(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c.Report()
}

// broken returns the rules that a report has for a resource.
func broken(r *compliance.Report, resource string) (rules []string) {
	for i := range r.Findings {
		if f := &r.Findings[i]; strings.HasSuffix(f.Resource, resource) {
			rules = append(rules, f.Rule)
		}
	}
	slices.Sort(rules)
	return rules
}

// TestSurvey looks at Holdfast's own server as if it were an account of AWS.
func TestSurvey(t *testing.T) {
	t.Parallel()
	s, region := running(t, holdfast).apart()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	created := func(in *kms.CreateKeyInput) string {
		t.Helper()
		out, err := s.client.CreateKey(t.Context(), in)
		must(err)
		return *out.KeyMetadata.KeyId
	}
	const named = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["kms:Put*","kms:Get*","kms:Describe*","kms:List*","kms:Encrypt"%s],"Resource":"*"}]}`
	plain := created(&kms.CreateKeyInput{})
	open := created(&kms.CreateKeyInput{Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Sid":"all","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}`)})
	kept := created(&kms.CreateKeyInput{Policy: aws.String(fmt.Sprintf(named, `,"kms:EnableKeyRotation"`))})
	_, err := s.client.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &kept})
	must(err)
	_, err = s.client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/kept"), TargetKeyId: &kept})
	if err == nil {
		t.Error("the policy of the key lets an alias be made") // it is as narrow as it is meant
	}
	rsa := created(&kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify, Policy: aws.String(fmt.Sprintf(named, `,"kms:Sign"`))})
	_, err = s.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &open, Plaintext: []byte("x")})
	must(err)
	_, err = s.client.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &open})
	must(err)
	_, err = s.client.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &open})
	must(err)
	_, err = s.client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/open-door"), TargetKeyId: &open})
	must(err)

	r := surveyed(t, s, region)
	for _, c := range []struct {
		name string
		id   string
		want []string
	}{
		{"by default", plain, []string{"key-rotation-off", "policy-all-actions"}},
		{"open", open, []string{"key-rotation-off", "policy-all-actions", "policy-open-to-all", "same-caller-administers-and-uses"}},
		{"kept", kept, nil},
		{"RSA", rsa, []string{"cnsa2-algorithm", "key-112-bits", "pq-signature"}},
		{"the account", "arn:aws:kms:" + region + ":123456789012", []string{"audit-one-place", "use-not-logged"}},
	} {
		if got := broken(r, c.id); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	i := slices.IndexFunc(r.Findings, func(f compliance.Finding) bool { return f.Rule == "key-rotation-off" && f.ID == open })
	if f := r.Findings[i]; f.Name != "alias/open-door" || f.Command != "aws kms enable-key-rotation --region "+region+" --key-id "+open {
		t.Errorf("%+v", f)
	}
	if !slices.ContainsFunc(r.Gaps, func(g compliance.Gap) bool { return g.Rule == "same-caller-may-administer-and-use" }) {
		t.Error("what the account does not tell is no gap")
	}
	for _, rule := range []string{"fips-mode-off", "root-key-in-the-clear", "audit-retention"} {
		if i := slices.IndexFunc(r.Results, func(x compliance.Result) bool { return x.Rule == rule }); r.Results[i].Passed > 0 {
			t.Errorf("%s passes, which nobody can know", rule)
		}
	}
}

// TestSurveyLogging: only a trail that is on and has the use of keys counts.
func TestSurveyLogging(t *testing.T) {
	t.Parallel()
	s, region := running(t, holdfast).apart()
	s.adopt(t, alg.AES256)
	trails := cloudtrail.New(cloudtrail.Options{
		Region: region, BaseEndpoint: &s.url, HTTPClient: s.client.Options().HTTPClient.(*http.Client), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	logged := func(want bool) {
		t.Helper()
		r := surveyed(t, s, region)
		if got := !slices.ContainsFunc(r.Findings, func(f compliance.Finding) bool { return f.Rule == "use-not-logged" }); got != want {
			t.Errorf("logged is %t, want %t", got, want)
		}
	}
	name := aws.String("events-" + region)
	logged(false)
	if _, err := trails.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: name, S3BucketName: aws.String("events")}); err != nil {
		t.Fatal(err)
	}
	logged(false)
	if _, err := trails.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: name}); err != nil {
		t.Fatal(err)
	}
	logged(true)
}
