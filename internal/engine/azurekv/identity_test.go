package azurekv

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// refOf names the first version of a key.
func refOf(n int) engine.Ref {
	return enginetest.NewRef(key.ID(fmt.Sprintf("%08d-1111-4111-8111-111111111111", n)))
}

// signs has an engine make a key and sign with it.
func signs(t *testing.T, e *Engine, ref engine.Ref) error {
	t.Helper()
	m, err := e.Generate(t.Context(), ref, engine.Kind{Spec: alg.P256, Usage: alg.SignVerify})
	if err != nil {
		return err
	}
	k, err := e.Open(t.Context(), ref, alg.P256, m.Wrapped)
	if err != nil {
		return err
	}
	return signWith(k)
}

func signWith(k *engine.Key) error {
	a := engine.SpecOf(k.Signer.Public()).For(alg.SignVerify)[0]
	_, err := engine.Sign(k.Signer, a, engine.Message{Form: alg.Raw, Bytes: []byte("message")})
	return err
}

// certificate returns an application's certificate with its key, as PEM.
func certificate(t *testing.T) (*x509.Certificate, []byte) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return c, append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
}

// TestIdentities is every way of being somebody to Azure, and a few of not
// being.
func TestIdentities(t *testing.T) {
	s := azurekvtest.Start(t)
	app, appPEM := certificate(t)
	_, otherPEM := certificate(t)
	s.TrustCertificate(app)
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(azurekvtest.FederatedToken), 0o600); err != nil {
		t.Fatal(err)
	}
	at := Identity{Tenant: azurekvtest.Tenant, Client: azurekvtest.Client, Authority: s.Authority(), DisableInstanceDiscovery: true}
	with := func(change func(*Identity)) *Identity {
		i := at
		change(&i)
		return &i
	}
	for n, tt := range []struct {
		name     string
		identity *Identity
		env      map[string]string
		refused  bool
	}{
		{"client secret", with(func(i *Identity) { i.ClientSecret = azurekvtest.ClientSecret }), nil, false},
		{"wrong secret", with(func(i *Identity) { i.ClientSecret = "guess" }), nil, true},
		{"certificate", with(func(i *Identity) { i.Certificate = appPEM }), nil, false},
		{"another certificate", with(func(i *Identity) { i.Certificate = otherPEM }), nil, true},
		{"workload identity", with(func(i *Identity) { i.TokenFile = tokenFile }), nil, false},
		{"managed identity", &Identity{ManagedIdentity: true}, map[string]string{
			"IDENTITY_ENDPOINT": s.IdentityEndpoint(), "IDENTITY_HEADER": azurekvtest.IdentityHeader,
		}, false},
		{"managed identity of a client", &Identity{ManagedIdentity: true, Client: azurekvtest.Client}, map[string]string{
			"IDENTITY_ENDPOINT": s.IdentityEndpoint(), "IDENTITY_HEADER": azurekvtest.IdentityHeader,
		}, false},
		{"managed identity of another machine", &Identity{ManagedIdentity: true, ResourceID: "/subscriptions/s"}, map[string]string{
			"IDENTITY_ENDPOINT": s.IdentityEndpoint(), "IDENTITY_HEADER": "other",
		}, true},
		{"environment", &Identity{DisableInstanceDiscovery: true}, map[string]string{
			"AZURE_TENANT_ID": azurekvtest.Tenant, "AZURE_CLIENT_ID": azurekvtest.Client, "AZURE_CLIENT_SECRET": azurekvtest.ClientSecret,
			"AZURE_AUTHORITY_HOST": s.Authority(), "AZURE_TOKEN_CREDENTIALS": "prod",
		}, false},
		{"none", nil, map[string]string{"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			o := options(s)
			o.Identity, o.Retries = tt.identity, -1
			e, err := New(t.Context(), enginetest.Box{}, o)
			if err == nil {
				err = signs(t, e, refOf(n))
			}
			switch {
			case !tt.refused && err != nil:
				t.Error(err)
			case tt.refused && fault.KindOf(err) != fault.Unavailable && fault.KindOf(err) != fault.InvalidArgument:
				t.Errorf("%v", err)
			case tt.refused && strings.Contains(err.Error(), azurekvtest.ClientSecret):
				t.Error("the error has the secret")
			}
		})
	}
}

// TestHealthOfARefusal: that the credential is not accepted shows as that.
func TestHealthOfARefusal(t *testing.T) {
	t.Parallel()
	o := options(azurekvtest.Start(t))
	o.Identity.ClientSecret = "guess"
	e := newEngine(t, o)
	err := signs(t, e, refOf(1))
	if h := e.Health(); h.State != remote.StateRefusing || h.Err == nil || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%+v, %v", h, err)
	}
	if text := e.Health().Err.Error(); strings.Contains(text, "\n") || !strings.HasPrefix(text, "getting a token: 401 invalid_client: AADSTS") || strings.Contains(text, "guess") {
		t.Errorf("the operator reads %q", text)
	}
}

// TestBadIdentities: what does not go together is refused before anything is
// reached.
func TestBadIdentities(t *testing.T) {
	t.Parallel()
	for name, i := range map[string]*Identity{
		"two ways":                {Tenant: "t", Client: "c", ClientSecret: "s", TokenFile: "f"},
		"no tenant":               {Client: "c", ClientSecret: "s"},
		"no client":               {Tenant: "t", Certificate: []byte("x")},
		"no certificate":          {Tenant: "t", Client: "c", Certificate: []byte("x")},
		"an authority by http":    {Tenant: "t", Client: "c", ClientSecret: "s", Authority: "http://login.example"},
		"a tenant that is a path": {Tenant: "a/b", Client: "c", ClientSecret: "s"},
	} {
		_, err := New(t.Context(), enginetest.Box{}, Options{Settings: remote.Settings{Name: "a"}, Vault: "https://v.vault.azure.net", Identity: i})
		if fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIdentityIsRedacted: whatever prints an identity shows nothing of it.
func TestIdentityIsRedacted(t *testing.T) {
	t.Parallel()
	o := Options{Identity: &Identity{ClientSecret: "hunter2", Password: []byte("hunter2"), Certificate: []byte("hunter2")}}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "x", slog.Any("identity", o.Identity))
	asJSON, err := json.Marshal(o.Identity)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(o), fmt.Sprintf("%+v", o), fmt.Sprintf("%#v", o.Identity), fmt.Sprintf("%x", o.Identity), log.String(), string(asJSON)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Errorf("the secret shows: %s", text)
		}
	}
}

// TestTokensAreRenewed: whether tokens end by the clock or are ended, the engine
// gets new ones, and not one for each request.
func TestTokensAreRenewed(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	if err := signs(t, e, refOf(1)); err != nil {
		t.Fatal(err)
	}
	if n := s.Grants(); n != 1 {
		t.Errorf("%d tokens for the first calls", n)
	}
	s.ExpireTokens()
	for n := range 3 {
		if err := signs(t, e, refOf(2+n)); err != nil {
			t.Fatalf("after the tokens were ended: %v", err)
		}
	}
	if n := s.Grants(); n != 2 {
		t.Errorf("%d tokens after one was ended", n)
	}

	s.SetTokenLife(time.Second)
	short := newEngine(t, options(s))
	for n := range 3 {
		if err := signs(t, short, refOf(10+n)); err != nil {
			t.Fatalf("with tokens of a second: %v", err)
		}
		time.Sleep(600 * time.Millisecond)
	}
}

// TestCA: a vault whose certificate is nobody's is not talked to, and the error
// says why.
func TestCA(t *testing.T) {
	t.Parallel()
	o := options(azurekvtest.Start(t))
	o.CA = nil
	err := signs(t, newEngine(t, o), refOf(1))
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}

// always is a credential that has one token.
type always struct{ asked *policy.TokenRequestOptions }

func (a always) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	*a.asked = o
	return azcore.AccessToken{Token: "the token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// answers is a transport that answers itself.
type answers func(*http.Request) *http.Response

func (f answers) Do(r *http.Request) (*http.Response, error) {
	a := f(r)
	a.Request = r
	return a, nil
}

// TestChallenges: a token goes only to a vault that asks for one of its own
// domain, unless that is switched off; a challenge that cannot be read is a
// refusal.
func TestChallenges(t *testing.T) {
	t.Parallel()
	const right = `Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"`
	for _, tt := range []struct {
		name, header  string
		disable, sent bool
	}{
		{"right", right, false, true},
		{"of another domain", strings.ReplaceAll(right, "vault.azure", "vault.evil"), false, false},
		{"of another domain, switched off", strings.ReplaceAll(right, "vault.azure", "vault.evil"), true, true},
		{"of a part of the name", strings.ReplaceAll(right, "vault.azure.net", "ault.azure.net"), false, false},
		{"without an authority", `Bearer resource="https://vault.azure.net"`, false, false},
		{"with an authority that has no path", `Bearer authorization="https:", resource="https://vault.azure.net"`, false, false},
		{"of another kind", `Basic realm="x"`, false, false},
		{"none", "", false, false},
		{"with claims that cannot be read", right + `, error="insufficient_claims", claims="%%%"`, false, false},
	} {
		var asked policy.TokenRequestOptions
		sent := false
		o := Options{
			Settings: remote.Settings{Name: "a", Retries: -1, Log: slog.New(slog.DiscardHandler)}, Vault: "https://contoso.vault.azure.net", Credential: always{&asked},
			DisableChallengeResourceVerification: tt.disable,
			Transport: answers(func(r *http.Request) *http.Response {
				a := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"error":{"code":"Unauthorized","message":"no"}}`))}
				if tt.header != "" {
					a.Header.Set("WWW-Authenticate", tt.header)
				}
				sent = sent || r.Header.Get("Authorization") != ""
				return a
			}),
		}
		e := newEngine(t, o)
		_, err := e.Generate(t.Context(), refOf(1), engine.Kind{Spec: alg.P256, Usage: alg.SignVerify})
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Kind != fault.Unavailable || sent != tt.sent {
			t.Errorf("%s: a token was sent: %t, want %t (%v)", tt.name, sent, tt.sent, err)
		}
		if sent && asked.TenantID != "tenant" {
			t.Errorf("%s: a token of tenant %q was asked for", tt.name, asked.TenantID)
		}
		if e.Health().State != remote.StateRefusing {
			t.Errorf("%s: the health is %q", tt.name, e.Health().State)
		}
	}
}
