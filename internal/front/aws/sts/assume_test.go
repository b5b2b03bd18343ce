package sts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/sts"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// roles answers what is asked of roles and sessions, and notes it.
type roles struct {
	sts.Directory
	asked any
	err   error
}

var made = identity.NewSession{ID: "ASIAEXAMPLE", Secret: "s", Token: "t", Expires: time.Unix(1_800_000_000, 0)}

func (r *roles) CreateSession(_ context.Context, _ *key.Call, in identity.SessionRequest) (*identity.NewSession, error) {
	r.asked = in
	return &made, r.err
}

func (r *roles) AssumeRole(_ context.Context, _ *key.Call, in *identity.AssumeRequest) (*identity.RoleSession, error) {
	r.asked = *in
	return &identity.RoleSession{
		NewSession: made, Principal: key.Principal{Realm: in.Role.Realm, Kind: key.Session, Name: in.Role.Name + "/" + in.Session},
		UserID: "AROAX:" + in.Session, SourceIdentity: in.SourceIdentity,
	}, r.err
}

func (r *roles) AssumeRoleWithWebIdentity(_ context.Context, call *key.Call, in *identity.WebIdentityRequest) (*identity.RoleSession, error) {
	r.asked = *in
	if r.err != nil {
		return nil, r.err
	}
	i, err := webidentity.New(webidentity.Registration{URL: "https://oidc.example.com/id/1", Audiences: []string{"aud"}}, nil, false)
	if err != nil {
		return nil, err
	}
	call.Caller = key.Caller{}
	return &identity.RoleSession{
		NewSession: made, Principal: key.Principal{Realm: in.Role.Realm, Kind: key.Session, Name: in.Role.Name + "/" + in.Session},
		UserID: "AROAX:" + in.Session, Web: &webidentity.Claims{Subject: "sub", Audiences: []string{"aud"}},
		Issuer: &identity.Issuer{Realm: in.Role.Realm, Issuer: i},
	}, nil
}

func (r *roles) AccessKeyRealm(_ context.Context, _ *key.Call, id string) (key.RealmID, error) {
	r.asked = id
	return "123456789012", r.err
}

// post sends a request, signed unless it is to be unsigned.
func post(t *testing.T, d *directory, signed bool, parameters string) (int, string) {
	t.Helper()
	now := time.Now()
	body := parameters + "&Version=2011-06-15"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "127.0.0.1:1"
	if signed {
		sigv4.Sign(r, []byte(body), sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: secret}, "us-east-1", "sts", now)
	}
	return serve(d, now, r)
}

const (
	roleARN = "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fops%2FDeploy&RoleSessionName=ci"
	mfa     = "&SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Fphone&TokenCode=123456"
)

func TestDecoding(t *testing.T) {
	role := key.Principal{Realm: "123456789012", Kind: key.Role, Name: "ops/Deploy"}
	for parameters, want := range map[string]any{
		"Action=GetSessionToken":                                         identity.SessionRequest{Length: 12 * time.Hour},
		"Action=GetSessionToken&DurationSeconds=900" + mfa:               identity.SessionRequest{Length: 15 * time.Minute, Factor: "phone", Code: "123456"},
		"Action=GetSessionToken&SerialNumber=longphone&TokenCode=123456": identity.SessionRequest{Length: 12 * time.Hour, Factor: "longphone", Code: "123456"},
		"Action=AssumeRole" + roleARN:                                    identity.AssumeRequest{Role: role, Session: "ci"},
		"Action=AssumeRole&ExternalId=ext&SourceIdentity=alice&DurationSeconds=3600&Policy=%7B%7D&Tags.member.1.Key=a&Tags.member.1.Value=b&TransitiveTagKeys.member.1=a" + roleARN + mfa: identity.AssumeRequest{
			Role: role, Session: "ci", Length: time.Hour, Policy: key.Document{Dialect: "aws", Text: "{}"}, ExternalID: "ext", SourceIdentity: "alice",
			Tags: []key.Tag{{Key: "a", Value: "b"}}, Transitive: []string{"a"}, Factor: "phone", Code: "123456",
		},
		"Action=AssumeRoleWithWebIdentity&WebIdentityToken=tok" + roleARN: identity.WebIdentityRequest{Role: role, Session: "ci", Token: "tok"},
		"Action=GetAccessKeyInfo&AccessKeyId=AKIAIOSFODNN7EXAMPLE":        "AKIAIOSFODNN7EXAMPLE",
	} {
		d := alice()
		fake := &roles{}
		d.Directory = fake
		code, body := post(t, d, true, parameters)
		if diff := cmp.Diff(want, fake.asked, cmpopts.EquateEmpty()); diff != "" || code != http.StatusOK {
			t.Errorf("%s: %d %s\n(-want +got)\n%s", parameters, code, body, diff)
		}
	}
}

func TestRefusedParameters(t *testing.T) {
	for _, row := range [][2]string{
		{"Action=GetSessionToken&DurationSeconds=899", "400 ValidationError"},
		{"Action=GetSessionToken&TokenCode=123456", "400 ValidationError"},
		{"Action=GetSessionToken&Name=x", "400 UnknownParameter"},
		{"Action=GetSessionToken&SerialNumber=arn%3Aaws%3Aiam%3A%3A999999999999%3Amfa%2Fp&TokenCode=1", "403 AccessDenied"},
		{"Action=AssumeRole", "400 ValidationError"},
		{"Action=AssumeRole&RoleSessionName=ci&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Auser%2Fx", "400 ValidationError"},
		{"Action=AssumeRole&DurationSeconds=43201" + roleARN, "400 ValidationError"},
		{"Action=AssumeRole&PolicyArns.member.1.arn=x" + roleARN, "400 UnknownParameter"},
		{"Action=AssumeRole&ProvidedContexts.member.1.ProviderArn=x" + roleARN, "400 UnknownParameter"},
		{"Action=AssumeRoleWithWebIdentity&ProviderId=x&WebIdentityToken=tok" + roleARN, "400 UnknownParameter"},
		{"Action=AssumeRoleWithWebIdentity" + roleARN, "400 ValidationError"},
		{"Action=GetAccessKeyInfo", "400 ValidationError"},
	} {
		parameters, want := row[0], row[1]
		d := alice()
		fake := &roles{}
		d.Directory = fake
		status, body := post(t, d, true, parameters)
		_, rest, _ := strings.Cut(body, "<Code>")
		name, _, _ := strings.Cut(rest, "</Code>")
		if got := fmt.Sprint(status, " ", name); got != want || fake.asked != nil || strings.Contains(body, "123456<") {
			t.Errorf("%s: %s, want %s: %s", parameters, got, want, body)
		}
	}
}

const webAnswer = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult>
<Credentials>
<AccessKeyId>ASIAEXAMPLE</AccessKeyId>
<SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken>
<Expiration>2027-01-15T08:00:00Z</Expiration>
</Credentials>
<AssumedRoleUser>
<AssumedRoleId>AROAX:ci</AssumedRoleId>
<Arn>arn:aws:sts::123456789012:assumed-role/Deploy/ci</Arn>
</AssumedRoleUser>
<SubjectFromWebIdentityToken>sub</SubjectFromWebIdentityToken>
<Audience>aud</Audience>
<Provider>arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/1</Provider>
</AssumeRoleWithWebIdentityResult>
<ResponseMetadata>
<RequestId>ID</RequestId>
</ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
`

func TestWebIdentityIsOpen(t *testing.T) {
	parameters := "Action=AssumeRoleWithWebIdentity&WebIdentityToken=tok" + roleARN
	d := alice()
	d.Directory = &roles{}
	if code, body := post(t, d, false, parameters); code != http.StatusOK || body != webAnswer {
		t.Errorf("unsigned: %d %s", code, body)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://kms.example.com/", strings.NewReader(parameters+"&Version=2011-06-15"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "203.0.113.9:1"
	if code, body := serve(d, time.Now(), r); code != http.StatusBadRequest || !strings.Contains(body, "only over https") {
		t.Errorf("in the clear from elsewhere: %d %s", code, body)
	}
	for _, operation := range []string{"AssumeRole", "GetSessionToken", "GetAccessKeyInfo", "GetCallerIdentity"} {
		if code, body := post(t, d, false, "Action="+operation+roleARN); code != http.StatusForbidden || !strings.Contains(body, "MissingAuthenticationToken") {
			t.Errorf("%s, unsigned: %d %s", operation, code, body)
		}
	}
}

// TestReasons has the failures for which AWS STS has errors of its own.
func TestReasons(t *testing.T) {
	const web, plain = "AssumeRoleWithWebIdentity", "AssumeRole"
	refused := &fault.Error{
		Kind: fault.PermissionDenied, Reason: fault.NoIdentityPolicyAllows, Op: "identity:AssumeRole", Resource: "123456789012/role/ops/Deploy",
	}
	for _, c := range []struct {
		operation string
		err       error
		want      string
	}{
		{web, fault.Because(fault.Unauthenticated, fault.InvalidIdentityToken, "text"), "400 InvalidIdentityToken text"},
		{web, fault.Because(fault.Unauthenticated, fault.ExpiredIdentityToken, "text"), "400 ExpiredTokenException text"},
		{web, fault.Because(fault.Unauthenticated, fault.RejectedIdentityToken, "text"), "403 IDPRejectedClaim text"},
		{web, fault.Because(fault.Unavailable, fault.IssuerUnreachable, "text"), "400 IDPCommunicationError text"},
		{web, refused, "403 AccessDenied Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{plain, refused, "403 AccessDenied User: arn:aws:iam::123456789012:user/ops/alice&lt;&amp;&gt; is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/ops/Deploy because no identity-based policy allows the sts:AssumeRole action"},
		{plain, fault.Because(fault.PermissionDenied, fault.WrongFactor, "text"), "403 AccessDenied MultiFactorAuthentication failed: text"},
		{plain, fault.New(fault.PermissionDenied, "text"), "403 AccessDenied text"},
		{plain, fault.Because(fault.InvalidArgument, fault.MalformedPolicy, "text"), "400 MalformedPolicyDocument text"},
		{plain, fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "text"), "400 PackedPolicyTooLarge text"},
		{plain, fault.New(fault.InvalidArgument, "text"), "400 ValidationError text"},
	} {
		d := alice()
		d.Directory = &roles{err: c.err}
		token := ""
		if c.operation == web {
			token = "&WebIdentityToken=tok"
		}
		code, body := post(t, d, c.operation == plain, "Action="+c.operation+roleARN+token)
		_, rest, _ := strings.Cut(body, "<Code>")
		name, rest, _ := strings.Cut(rest, "</Code>\n<Message>")
		text, _, _ := strings.Cut(rest, "</Message>")
		if got := fmt.Sprint(code, " ", name, " ", text); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.operation, got, c.want)
		}
	}
}

// FuzzRequests holds that whatever is sent is answered in STS's words, and that
// what reaches the directory names a role and a session.
func FuzzRequests(f *testing.F) {
	f.Add("Action=AssumeRole" + roleARN + mfa)
	f.Add("Action=AssumeRoleWithWebIdentity&WebIdentityToken=tok" + roleARN)
	f.Add("Action=AssumeRole&Tags.member.1.Key=a" + roleARN)
	f.Fuzz(func(t *testing.T, parameters string) {
		if _, err := url.ParseQuery(parameters); err != nil {
			return
		}
		d := alice()
		fake := &roles{}
		d.Directory = fake
		code, body := post(t, d, true, parameters)
		if code == http.StatusOK && strings.Contains(body, "<ErrorResponse") || code >= http.StatusInternalServerError {
			t.Errorf("%d %s", code, body)
		}
		if r, ok := fake.asked.(identity.AssumeRequest); ok && (r.Role.Kind != key.Role || r.Role.Name == "") {
			text, _ := json.Marshal(r.Role)
			t.Errorf("%q asks for %s", parameters, text)
		}
	})
}
