package aws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/go-jose/go-jose/v4"
	"github.com/pquerna/otp/totp"
)

// federation has a case for every operation of AWS STS about roles and
// sessions.
var federation = map[string]func(*testing.T, *target, *kms.Client){
	"AssumeRole":                assumeRole,
	"AssumeRoleWithWebIdentity": assumeWithWebIdentity,
	"GetSessionToken":           getSessionToken,
	"GetAccessKeyInfo": func(t *testing.T, tg *target, _ *kms.Client) {
		c := sts.New(tg.stsOptions(tg.creds))
		out, err := c.GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: &tg.creds.AccessKeyID})
		if err != nil || *out.Account != tg.account {
			t.Errorf("%+v, %v", out, err)
		}
		_, err = c.GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAIOSFODNN7EXAMPLE")})
		refused(t, err, "ValidationError", "*")
	},
}

// file writes a file of the test's own.
func file(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// word returns the test's name and a number, as a name.
func word(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(`[^A-Za-z0-9]`).ReplaceAllString(t.Name(), "-") + fmt.Sprint(time.Now().UnixNano()%1e9)
}

// newRole makes a role whose sessions may list keys, and returns its ARN.
func newRole(t *testing.T, tg *target, trust string) (arn string) {
	t.Helper()
	onlyOurs(t, tg)
	name := word(t)
	cli(t, tg, "role", "create", "compat/"+name, "--trust", file(t, `{"Version":"2012-10-17","Statement":[`+trust+`]}`))
	cli(t, tg, "role", "policy", "put", name, "--policy-name", "list", "--in",
		file(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}]}`))
	return "arn:aws:iam::" + tg.account + ":role/compat/" + name
}

// device enrols a second factor and returns what shows its codes, later and
// later ones: each is good once.
func device(t *testing.T, tg *target, user string) func() string {
	t.Helper()
	var made struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal([]byte(cli(t, tg, "identity", "user", "mfa", "enrol", user, "--json")), &made); err != nil {
		t.Fatal(err)
	}
	step := -3
	next := func() string {
		t.Helper()
		step++
		code, err := totp.GenerateCode(made.Secret, time.Now().Add(time.Duration(step)*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	cli(t, tg, "identity", "user", "mfa", "confirm", user, "--code", next(), "--code", next())
	return next
}

// tells checks the code of an error, and that its text has a part.
func tells(t *testing.T, err error, wantCode, part string) {
	t.Helper()
	if code(err) != wantCode || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want %s with %q", err, wantCode, part)
	}
}

// mayList holds that a session is one of a role, and may list keys and no more.
func mayList(t *testing.T, tg *target, c *ststypes.Credentials, arn string) {
	t.Helper()
	creds := aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
	out, err := sts.New(tg.stsOptions(creds)).GetCallerIdentity(t.Context(), nil)
	if err != nil || *out.Arn != arn || !strings.HasPrefix(*out.UserId, "AROA") {
		t.Errorf("the session is of %+v, %v; want %s", out, err, arn)
	}
	k := tg.kms(creds)
	if _, err := k.ListKeys(t.Context(), nil); err != nil {
		t.Errorf("the session may not list keys: %v", err)
	}
	_, err = k.CreateKey(t.Context(), nil)
	refused(t, err, "AccessDeniedException", "*")
}

func assumeRole(t *testing.T, tg *target, _ *kms.Client) {
	creds, who := newUser(t, tg, "")
	user := filepath.Base(who)
	code := device(t, tg, user)
	arn := newRole(t, tg, `{"Effect":"Allow","Principal":{"AWS":"`+who+`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],
		"Condition":{"StringEquals":{"sts:ExternalId":"ext-1"},"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`)
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	c := sts.New(tg.stsOptions(creds))
	ask := func(edit func(*sts.AssumeRoleInput)) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{
			RoleArn: &arn, RoleSessionName: aws.String("ci"), ExternalId: aws.String("ext-1"), SourceIdentity: aws.String("alice"),
			Tags: []ststypes.Tag{{Key: aws.String("cost"), Value: aws.String("1")}}, TransitiveTagKeys: []string{"cost"},
			SerialNumber: aws.String("arn:aws:iam::" + tg.account + ":mfa/" + user), DurationSeconds: aws.Int32(900),
		}
		edit(in)
		return c.AssumeRole(t.Context(), in)
	}
	good := code()
	out, err := ask(func(in *sts.AssumeRoleInput) { in.TokenCode = &good })
	if err != nil {
		t.Fatal(err)
	}
	if *out.SourceIdentity != "alice" || *out.AssumedRoleUser.Arn != "arn:aws:sts::"+tg.account+":assumed-role/"+name+"/ci" ||
		!strings.HasSuffix(*out.AssumedRoleUser.AssumedRoleId, ":ci") || time.Until(*out.Credentials.Expiration) > 15*time.Minute {
		t.Errorf("%+v", out)
	}
	mayList(t, tg, out.Credentials, *out.AssumedRoleUser.Arn)
	for text, edit := range map[string]func(*sts.AssumeRoleInput){
		"AccessDenied MultiFactorAuthentication failed": func(in *sts.AssumeRoleInput) { in.TokenCode = &good },
		"AccessDenied is not authorized to perform: sts:AssumeRole on resource: " + arn: func(in *sts.AssumeRoleInput) {
			in.SerialNumber = nil
		},
		"ValidationError SerialNumber and TokenCode go together": func(*sts.AssumeRoleInput) {},
		"ValidationError MaxSessionDuration": func(in *sts.AssumeRoleInput) {
			in.TokenCode, in.DurationSeconds = aws.String(code()), aws.Int32(7200)
		},
		"UnknownParameter PolicyArns": func(in *sts.AssumeRoleInput) {
			in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
		},
	} {
		want, part, _ := strings.Cut(text, " ")
		_, err := ask(edit)
		tells(t, err, want, part)
	}
	// Another SDK's way: the provider of credentials assumes by itself.
	plain := newRole(t, tg, `{"Effect":"Allow","Principal":{"AWS":"`+who+`"},"Action":"sts:AssumeRole"}`)
	provider := stscreds.NewAssumeRoleProvider(c, plain, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "sdk" })
	got, err := provider.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tg.kms(got).ListKeys(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func getSessionToken(t *testing.T, tg *target, _ *kms.Client) {
	creds, who := newUser(t, tg,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}`)
	user := filepath.Base(who)
	code := device(t, tg, user)
	c := sts.New(tg.stsOptions(creds))
	_, err := tg.kms(creds).ListKeys(t.Context(), nil)
	refused(t, err, "AccessDeniedException", "*")
	plain, err := c.GetSessionToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	of := func(s *ststypes.Credentials) aws.Credentials {
		return aws.Credentials{AccessKeyID: *s.AccessKeyId, SecretAccessKey: *s.SecretAccessKey, SessionToken: *s.SessionToken}
	}
	_, err = tg.kms(of(plain.Credentials)).ListKeys(t.Context(), nil)
	refused(t, err, "AccessDeniedException", "*")
	in := &sts.GetSessionTokenInput{
		SerialNumber: aws.String("arn:aws:iam::" + tg.account + ":mfa/" + user), TokenCode: aws.String(code()), DurationSeconds: aws.Int32(3600),
	}
	strong, err := c.GetSessionToken(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tg.kms(of(strong.Credentials)).ListKeys(t.Context(), nil); err != nil {
		t.Error(err)
	}
	_, err = c.GetSessionToken(t.Context(), in)
	tells(t, err, "AccessDenied", "MultiFactorAuthentication failed")
	_, err = sts.New(tg.stsOptions(of(strong.Credentials))).GetSessionToken(t.Context(), nil)
	refused(t, err, "AccessDenied", "*")
}

// provider of identities: serves its documents over TLS, and signs tokens.
type oidc struct {
	*httptest.Server
	t    *testing.T
	mu   sync.Mutex // guards keys
	keys map[string]crypto.Signer
}

func newOIDC(t *testing.T) *oidc {
	t.Helper()
	p := &oidc{t: t, keys: map[string]crypto.Signer{}}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.keys["rsa"] = rsaKey
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch r.URL.Path {
		case "/id/1/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.issuer(), "jwks_uri": p.URL + "/id/1/keys"})
		case "/id/1/keys":
			var set jose.JSONWebKeySet
			for id, k := range p.keys {
				set.Keys = append(set.Keys, jose.JSONWebKey{KeyID: id, Key: k.Public(), Use: "sig"})
			}
			_ = json.NewEncoder(w).Encode(set)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *oidc) issuer() string { return p.URL + "/id/1" }

// ca is the file with the certificate that the server is trusted by.
func (p *oidc) ca() string {
	p.t.Helper()
	return file(p.t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})))
}

// add gives the issuer another key.
func (p *oidc) add(id string, k crypto.Signer, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[id] = k
}

func (p *oidc) token(a jose.SignatureAlgorithm, id string, changed map[string]any) string {
	p.t.Helper()
	claims := map[string]any{
		"iss": p.issuer(), "sub": "system:serviceaccount:pki:signer", "aud": []string{"sts.amazonaws.com"}, "iat": time.Now().Unix(),
		"exp": time.Now().Add(time.Hour).Unix(), "kubernetes.io": map[string]any{"namespace": "pki"},
	}
	maps.Copy(claims, changed)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: jose.JSONWebKey{Key: p.keys[id], KeyID: id}}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		p.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// trust lets a subject of the issuer in.
func (p *oidc) trust(tg *target) string {
	name := strings.TrimPrefix(p.issuer(), "https://")
	return `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + tg.account + `:oidc-provider/` + name + `"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"` + name + `:sub":"system:serviceaccount:pki:signer","` + name + `:aud":"sts.amazonaws.com"}}}`
}

func assumeWithWebIdentity(t *testing.T, tg *target, _ *kms.Client) {
	onlyOurs(t, tg)
	p := newOIDC(t)
	arn := newRole(t, tg, p.trust(tg))
	cli(t, tg, "issuer", "add", p.issuer(), "--ca", p.ca())
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.add("ec", ec, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	p.add("ed", ed, err)
	c := sts.New(tg.stsOptions(aws.Credentials{}))
	ask := func(role, token string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return c.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: &role, RoleSessionName: aws.String("pod-1"), WebIdentityToken: &token,
		})
	}
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	for a, id := range map[jose.SignatureAlgorithm]string{jose.RS256: "rsa", jose.PS256: "rsa", jose.ES256: "ec", jose.EdDSA: "ed"} {
		out, err := ask(arn, p.token(a, id, nil))
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if *out.SubjectFromWebIdentityToken != "system:serviceaccount:pki:signer" || *out.Audience != "sts.amazonaws.com" ||
			*out.Provider != "arn:aws:iam::"+tg.account+":oidc-provider/"+strings.TrimPrefix(p.issuer(), "https://") {
			t.Errorf("%+v", out)
		}
		if a == jose.EdDSA {
			mayList(t, tg, out.Credentials, "arn:aws:sts::"+tg.account+":assumed-role/"+name+"/pod-1")
		}
	}
	other := newOIDC(t)
	for name, row := range map[string]struct{ role, token, want string }{
		"another subject":     {arn, p.token(jose.RS256, "rsa", map[string]any{"sub": "system:serviceaccount:default:x"}), "AccessDenied Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"no such role":        {arn + "x", p.token(jose.RS256, "rsa", nil), "AccessDenied Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"an unknown issuer":   {arn, other.token(jose.RS256, "rsa", nil), "InvalidIdentityToken No OpenIDConnect provider found in your account for " + other.issuer()},
		"another's signature": {arn, other.token(jose.RS256, "rsa", map[string]any{"iss": p.issuer()}), "InvalidIdentityToken "},
		"another audience":    {arn, p.token(jose.RS256, "rsa", map[string]any{"aud": "vault"}), "InvalidIdentityToken Incorrect token audience"},
		"too late":            {arn, p.token(jose.RS256, "rsa", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), "ExpiredTokenException Token expired"},
		"too early":           {arn, p.token(jose.RS256, "rsa", map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "IDPRejectedClaim "},
		"no token":            {arn, "abcd", "InvalidIdentityToken "},
		"no ARN":              {"arn:aws:iam::" + tg.account + ":user/x", p.token(jose.RS256, "rsa", nil), "ValidationError "},
	} {
		code, text, _ := strings.Cut(row.want, " ")
		_, err := ask(row.role, row.token)
		t.Run(name, func(t *testing.T) { tells(t, err, code, text) })
	}
	provider := stscreds.NewWebIdentityRoleProvider(c, arn, stscreds.IdentityTokenFile(file(t, p.token(jose.ES256, "ec", nil))))
	creds, err := provider.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tg.kms(creds).ListKeys(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestServiceAccount runs the programs of others as a Kubernetes pod does: all
// they get is a file with a token, and the name of a role. The key of the token
// is newer than those that the server knows.
func TestServiceAccount(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	p := newOIDC(t)
	arn := newRole(t, tg, p.trust(tg))
	cli(t, tg, "issuer", "add", p.issuer(), "--ca", p.ca())
	pod := tg.with("AWS_ROLE_ARN="+arn, "AWS_ROLE_SESSION_NAME=pod-2", "AWS_WEB_IDENTITY_TOKEN_FILE="+file(t, p.token(jose.RS256, "rsa", nil)))
	want := "assumed-role/" + filepath.Base(arn) + "/pod-2"
	t.Run("aws", func(t *testing.T) {
		need(t, programs().aws)
		if out := pod.execute(t, t.TempDir(), "aws", "sts", "get-caller-identity", "--output", "text"); !strings.Contains(out, want) {
			t.Errorf("the CLI is %s", out)
		}
	})
	t.Run("boto3", func(t *testing.T) {
		need(t, programs().boto3)
		if out := pod.execute(t, t.TempDir(), "python3", absolute(t, "testdata/roles/pod.py")); !strings.Contains(out, want) {
			t.Errorf("boto3 is %s", out)
		}
	})
}

// with returns the target for programs whose environment has no credential of
// the administrator's, and more instead.
func (t *target) with(more ...string) *target {
	other := *t
	other.env = slices.DeleteFunc(slices.Clone(t.env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}, name)
	})
	other.env = append(other.env, more...)
	return &other
}

// TestRolePrograms runs the programs of the folder testdata/roles, each as a
// user of its own.
func TestRolePrograms(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	p := newOIDC(t)
	web := newRole(t, tg, p.trust(tg))
	cli(t, tg, "issuer", "add", p.issuer(), "--ca", p.ca())
	token := file(t, p.token(jose.RS256, "rsa", nil))
	user := func(t *testing.T) *target {
		creds, who := newUser(t, tg, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetAccessKeyInfo","Resource":"*"}]}`)
		code := device(t, tg, filepath.Base(who))
		arn := newRole(t, tg, `{"Effect":"Allow","Principal":{"AWS":"`+who+`"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`)
		return tg.with("AWS_ACCESS_KEY_ID="+creds.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+creds.SecretAccessKey, "ROLE="+arn, "WEB_ROLE="+web,
			"SERIAL=arn:aws:iam::"+tg.account+":mfa/"+filepath.Base(who), "CODE1="+code(), "CODE2="+code(), "TOKEN_FILE="+token)
	}
	t.Run("aws", func(t *testing.T) {
		need(t, programs().aws)
		run := "ENDPOINT_FLAG=" + tg.endpointFlag()
		user(t).execute(t, t.TempDir(), "bash", "-c", run+`; . "$0"; . "$1"`, absolute(t, "testdata/prelude.bash"), absolute(t, "testdata/roles/roles.sh"))
	})
	t.Run("boto3", func(t *testing.T) {
		need(t, programs().boto3)
		user(t).execute(t, t.TempDir(), "python3", absolute(t, "testdata/roles/roles.py"))
	})
}

// TestSeedTrustPolicy has the trust policy that a text shows for a service
// account, unchanged, from the folder HOLDFAST_SEEDS: its issuer's keys are
// pinned, since nobody can ask that one.
func TestSeedTrustPolicy(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	document := regexp.MustCompile(`(?s)# trust-policy\.json\n(\{.*?\n\})`)
	provider := regexp.MustCompile(`"Federated": "arn:aws:iam::\d+:oidc-provider/([^"]+)"`)
	subject := regexp.MustCompile(`:sub": "([^"]+)"`)
	for _, policy := range seedPrograms(t, document) {
		p := newOIDC(t)
		issuer, sub := provider.FindStringSubmatch(policy)[1], subject.FindStringSubmatch(policy)[1]
		keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "rsa", Key: p.keys["rsa"].Public()}}})
		if err != nil {
			t.Fatal(err)
		}
		name := word(t)
		cli(t, tg, "issuer", "add", "https://"+issuer, "--keys", file(t, string(keys)))
		cli(t, tg, "role", "create", name, "--trust", file(t, policy))
		c := sts.New(tg.stsOptions(aws.Credentials{}))
		for who, code := range map[string]string{sub: "", sub + "x": "AccessDenied"} {
			_, err := c.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String("arn:aws:iam::" + tg.account + ":role/" + name), RoleSessionName: aws.String("cert-manager"),
				WebIdentityToken: aws.String(p.token(jose.RS256, "rsa", map[string]any{"iss": "https://" + issuer, "sub": who})),
			})
			if code == "" && err != nil {
				t.Errorf("%s: %v", who, err)
			} else if code != "" {
				refused(t, err, code, "*")
			}
		}
	}
}
