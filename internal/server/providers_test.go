package server

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// clouds are key services of this process: Holdfast itself for AWS, and the
// test servers of the others.
type clouds struct {
	providers []config.Provider
	aws       *running
	vault     *vaulttest.Server
}

// startClouds starts the key services of some names: aws, azure, google, bao.
func startClouds(t *testing.T, names ...string) *clouds {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := &clouds{}
	for _, name := range names {
		p := config.Provider{Name: name}
		switch name {
		case "aws":
			c.aws = start(t, t.TempDir(), &Dev{}, nil)
			admin := readAdmin(filepath.Join(c.aws.dir, EnvFile))
			p.AWSKMS = &config.AWSKMS{
				Region: "us-east-1", Endpoint: c.aws.url, AccessKeyID: admin.ID, SecretAccessKeyFile: file("aws", []byte(admin.Secret)),
				CACertificate: certificate.CA(&config.Config{Data: c.aws.dir}),
			}
		case "azure":
			s := azurekvtest.Start(t)
			p.AzureKV = &config.AzureKV{
				Vault: s.URL(), Tenant: azurekvtest.Tenant, Client: azurekvtest.Client, ClientSecretFile: file("azure", []byte(azurekvtest.ClientSecret)),
				Authority: s.Authority(), UnknownAuthority: true, AnyChallenge: true, CACertificate: file("azure.pem", s.CAPEM()),
			}
		case "google":
			s := gcpkmstest.Start(t)
			p.GCPKMS = &config.GCPKMS{
				KeyRing: s.KeyRing, Endpoint: s.Address, CACertificate: file("google.pem", s.CA), CredentialsFile: file("google", s.Credentials()),
			}
		case "bao":
			c.vault = vaulttest.Start(t)
			p.Retries = -1
			p.Vault = &config.Vault{Address: c.vault.Address, CACertificate: file("vault.pem", c.vault.CA), TokenFile: file("vault", []byte(c.vault.Root))}
		}
		c.providers = append(c.providers, p)
	}
	return c
}

// native asks the native API as the administrator of DIR/env, and decodes the
// answer.
func (r *running) native(method, path, body string, into any) int {
	r.t.Helper()
	admin := readAdmin(filepath.Join(r.dir, EnvFile))
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+native.Prefix+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(admin.ID, admin.Secret)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if into == nil {
		into = &struct{}{}
	}
	if resp.StatusCode == http.StatusNoContent {
		return resp.StatusCode
	}
	if resp.StatusCode >= http.StatusBadRequest {
		into = &native.Problem{}
		defer func() { r.t.Logf("%s %s: %d %+v", method, path, resp.StatusCode, into) }()
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode
}

// TestProviders takes a key through its life in each kind of key service.
func TestProviders(t *testing.T) {
	t.Parallel()
	c := startClouds(t, "aws", "azure", "google", "bao")
	r := start(t, t.TempDir(), &Dev{}, func(to *config.Config) {
		to.Providers, to.Lifecycle = c.providers, config.Lifecycle{Interval: 20 * time.Millisecond, Mirror: 20 * time.Millisecond}
	})
	if status, text := r.do(http.MethodGet, "/readyz", "", "", "", ""); status != http.StatusOK ||
		text != "ready\nprovider aws: ok\nprovider azure: ok\nprovider google: ok\nprovider bao: ok\n" {
		t.Errorf("/readyz: %d %q", status, text)
	}
	for _, p := range c.providers {
		t.Run(p.Name, func(t *testing.T) {
			r := *r
			r.t = t
			r.life(p.Name)
		})
	}
	_, figures := r.do(http.MethodGet, "/metrics", "", "", "", "")
	for _, p := range c.providers {
		if !strings.Contains(figures, `holdfast_provider_up{provider="`+p.Name+`"} 1`) {
			t.Errorf("the metrics lack %s", p.Name)
		}
	}
	var listed native.ProviderList
	if r.native(http.MethodGet, "/providers", "", &listed); len(listed.Providers) != 4 || listed.Providers[0].Kind != "awskms" || listed.Providers[0].Requests == 0 {
		t.Errorf("the providers are %+v", listed)
	}
}

// life makes a key in a provider, uses, finds, disables, enables and tries it.
func (r *running) life(provider string) {
	t := r.t
	var k native.Key
	if status := r.native(http.MethodPost, "/keys", `{"spec":"ECC_NIST_P256","provider":"`+provider+`","alias":"alias/`+provider+`"}`, &k); status != http.StatusCreated {
		t.Fatalf("creating a key: %d", status)
	}
	if k.Provider != provider || k.HSM != "" || k.RemoteName == "" || k.Origin != "generated" {
		t.Errorf("the key is %+v", k)
	}
	const message = `{"algorithm":"ECDSA_SHA_256","message":"aGVsbG8="}`
	var s native.Signature
	if status := r.native(http.MethodPost, "/keys/"+k.ID+"/sign", message, &s); status != http.StatusOK {
		t.Fatalf("signing: %d", status)
	}
	signature, _ := json.Marshal(s.Signature)
	if status := r.native(http.MethodPost, "/keys/"+k.ID+"/verify", strings.TrimSuffix(message, "}")+`,"signature":`+string(signature)+"}", nil); status != http.StatusOK {
		t.Errorf("verifying: %d", status)
	}
	var found native.ProviderKeyList
	r.native(http.MethodGet, "/providers/"+provider+"/keys", "", &found)
	want := []native.ProviderKey{{Name: found.Keys[0].Name, Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY", Type: found.Keys[0].Type, Condition: "usable", KeyID: k.ID, Made: true}}
	if diff := cmp.Diff(want, found.Keys); diff != "" {
		t.Errorf("what is in the provider (-want +got)\n%s", diff)
	}
	for _, step := range []struct {
		act, state string
		sign       int
	}{{"disable", "disabled", http.StatusConflict}, {"enable", "enabled", http.StatusOK}} {
		if status := r.native(http.MethodPost, "/keys/"+k.ID+"/"+step.act, "", nil); status != http.StatusNoContent {
			t.Errorf("%s: %d", step.act, status)
		}
		r.native(http.MethodGet, "/keys/"+k.ID, "", &k)
		if k.State != step.state {
			t.Errorf("after %s the key is %s", step.act, k.State)
		}
		if status := r.native(http.MethodPost, "/keys/"+k.ID+"/sign", message, &s); status != step.sign {
			t.Errorf("signing after %s: %d", step.act, status)
		}
	}
	for _, body := range []string{"{}", `{"spec":"ECC_NIST_P384","usage":"SIGN_VERIFY"}`} {
		var trial native.ProviderTrial
		if r.native(http.MethodPost, "/providers/"+provider+"/test", body, &trial); !trial.OK {
			t.Errorf("trying %s: %+v", body, trial)
		}
	}
}

// TestMirroredKey: what somebody does to a key in the service shows here, and
// ends here when it does there.
func TestMirroredKey(t *testing.T) {
	t.Parallel()
	c := startClouds(t, "aws")
	r := start(t, t.TempDir(), &Dev{}, func(to *config.Config) {
		to.Providers, to.Lifecycle = c.providers, config.Lifecycle{Interval: 20 * time.Millisecond, Mirror: 20 * time.Millisecond}
	})
	var k native.Key
	r.native(http.MethodPost, "/keys", `{"provider":"aws"}`, &k)
	becomes := func(state, there string) {
		t.Helper()
		for range 250 {
			if r.native(http.MethodGet, "/keys/"+k.ID, "", &k); k.State == state && k.RemoteCondition == there {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("the key is %s here, %s there; want %s, %s", k.State, k.RemoteCondition, state, there)
	}
	becomes("enabled", "usable")
	for _, step := range []struct{ target, body, state, there string }{
		{"DisableKey", "", "unavailable", "disabled"},
		{"EnableKey", "", "enabled", "usable"},
		{"ScheduleKeyDeletion", `,"PendingWindowInDays":7`, "unavailable", "deleted"},
	} {
		if status, text := c.aws.kms(step.target, `{"KeyId":"`+k.RemoteName+`"`+step.body+`}`); status != http.StatusOK {
			t.Fatalf("%s: %d %s", step.target, status, text)
		}
		becomes(step.state, step.there)
	}
	if status := r.native(http.MethodPost, "/keys/"+k.ID+"/encrypt", `{"plaintext":"eA=="}`, nil); status != http.StatusConflict {
		t.Errorf("encrypting under a key that is deleted there: %d", status)
	}
	if status := r.native(http.MethodPost, "/keys/"+k.ID+"/enable", "", nil); status != http.StatusNoContent {
		t.Errorf("enabling: %d", status)
	}
	becomes("enabled", "usable")
}

// TestProviderThatIsAway: it is shown, and takes nobody out; what is in it
// fails, and all else goes on.
func TestProviderThatIsAway(t *testing.T) {
	t.Parallel()
	c := startClouds(t, "bao")
	r := start(t, t.TempDir(), &Dev{}, func(to *config.Config) { to.Providers = c.providers })
	c.vault.Inject(remotetest.Fail, 0, 1000)
	for i, want := range []int{http.StatusServiceUnavailable, http.StatusCreated} {
		body := []string{`{"provider":"bao"}`, `{}`}[i]
		if status := r.native(http.MethodPost, "/keys", body, nil); status != want {
			t.Errorf("a key of %s: %d, want %d", body, status, want)
		}
	}
	status, text := r.do(http.MethodGet, "/readyz", "", "", "", "")
	if status != http.StatusOK || !strings.HasPrefix(text, "ready\nprovider bao: failing since 20") {
		t.Errorf("/readyz: %d %q", status, text)
	}
	var p native.Provider
	if r.native(http.MethodGet, "/providers/bao", "", &p); p.State != "failing" || p.Cause == "" || p.Failures == 0 || len(p.Makes) == 0 {
		t.Errorf("the provider is %+v", p)
	}
	var trial native.ProviderTrial
	if r.native(http.MethodPost, "/providers/bao/test", "{}", &trial); trial.OK || trial.Failure == "" || trial.Cause == "" {
		t.Errorf("the trial says %+v", trial)
	}
	if strings.Contains(r.log.String()+p.Cause+trial.Cause, c.vault.Root) {
		t.Error("the token is told")
	}
	c.vault.Inject(remotetest.None, 0, 0)
	if status := r.native(http.MethodPost, "/keys", `{"provider":"bao"}`, nil); status != http.StatusCreated {
		t.Errorf("when it is back: %d", status)
	}
}

// TestCauseIsForThoseWhoLookIn: what a service says of a failure names others'
// keys. A realm that does not see those is told the state alone.
func TestCauseIsForThoseWhoLookIn(t *testing.T) {
	t.Parallel()
	c := startClouds(t, "bao")
	c.providers[0].Realms = []string{"222222222222"} // and the caller's is another
	r := start(t, t.TempDir(), &Dev{}, func(to *config.Config) { to.Providers = c.providers })
	c.vault.Inject(remotetest.Fail, 0, 1000)
	var trial native.ProviderTrial
	if r.native(http.MethodPost, "/providers/bao/test", "{}", &trial); trial.OK || trial.Failure == "" || trial.Cause != "" {
		t.Errorf("the trial says %+v", trial)
	}
	var p native.Provider
	if r.native(http.MethodGet, "/providers/bao", "", &p); p.State != "failing" || p.Cause != "" {
		t.Errorf("the provider is %+v", p)
	}
	var all native.ProviderList
	if r.native(http.MethodGet, "/providers", "", &all); all.Providers[0].Cause != "" {
		t.Errorf("the providers are %+v", all)
	}
}

// TestProviderThatIsTakenAway: the log says so of a configuration that lacks a
// place in which there are keys.
func TestProviderThatIsTakenAway(t *testing.T) {
	t.Parallel()
	c := startClouds(t, "bao")
	dir := t.TempDir()
	r := start(t, dir, &Dev{}, func(to *config.Config) { to.Providers = c.providers })
	if status := r.native(http.MethodPost, "/keys", `{"provider":"bao"}`, nil); status != http.StatusCreated {
		t.Fatalf("creating a key: %d", status)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if strings.Contains(r.log.String(), "the configuration does not have") {
		t.Error("a place that is there is missed")
	}
	r = start(t, dir, &Dev{}, nil)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(r.log.String(), "the configuration does not have") || !strings.Contains(r.log.String(), "engine=bao keys=1") {
		t.Errorf("the log says nothing of the key:\n%s", r.log.String())
	}
}
