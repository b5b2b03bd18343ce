package providers

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// place is an engine over a service that has three keys.
type place struct {
	*soft.Engine
	health remote.Health
	err    error // of List
}

func (p *place) Health() remote.Health { return p.health }

func (p *place) List(_ context.Context, page string) ([]engine.Listed, string, error) {
	return []engine.Listed{
		{Name: "keys/holdfast-a-1", Kind: engine.Kind{Spec: alg.P256, Usage: alg.SignVerify}, Type: "EC", Condition: engine.Usable, Made: true},
		{Name: "keys/holdfast-b-7", Kind: engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt}, Condition: engine.Deleted, Made: true},
		{Name: "keys/theirs", Type: "ML-KEM", Condition: engine.Disabled},
	}, "after " + page, p.err
}

func newPlace(t *testing.T, h remote.Health) *place {
	t.Helper()
	e, err := soft.New(keyring(t), soft.Options{PureGo: true})
	if err != nil {
		t.Fatal(err)
	}
	return &place{Engine: e, health: h}
}

func keyring(t *testing.T) *seal.Keyring {
	t.Helper()
	root, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	return seal.NewKeyring(root, mem.New())
}

// everybody may do everything.
type everybody struct{ policies []*policy.Policy }

func (e everybody) Policies(*key.Caller) []*policy.Policy { return e.policies }

// newReader returns a reader of one provider, for two realms of three.
func newReader(t *testing.T, p *place) *Reader {
	t.Helper()
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Provider{Name: "bao", Realms: []string{"123456789012", "210987654321"}, Vault: &config.Vault{Address: "https://bao:8200"}}
	of := New(Provider{c, p})
	t.Cleanup(func() {
		if err := of.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Reader{
		Of: of, Guard: guard.New(audit.NewMemory(100), everybody{[]*policy.Policy{all}}),
		Residents: func(context.Context, engine.Engine) map[string]key.ID {
			return map[string]key.ID{"keys/holdfast-a-1/versions/1": "a"}
		},
	}
}

func callOf(realm key.RealmID) *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: "alice"}},
		RequestID: "r", API: "test", Operation: "Test", Region: "us-east-1", Time: time.Now(),
	}
}

// TestKeys: what is in a provider, with the keys here by their names or by
// versions of them, for callers of the realms that may look.
func TestKeys(t *testing.T) {
	r := newReader(t, newPlace(t, remote.Health{Name: "bao", State: remote.StateOK}))
	got, err := r.Keys(t.Context(), callOf("210987654321"), "bao", "two")
	if err != nil {
		t.Fatal(err)
	}
	want := &native.ProviderKeyList{Next: "after two", Keys: []native.ProviderKey{
		{Name: "keys/holdfast-a-1", Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY", Type: "EC", Condition: "usable", KeyID: "a", Made: true},
		{Name: "keys/holdfast-b-7", Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT", Condition: "deleted", Made: true},
		{Name: "keys/theirs", Type: "ML-KEM", Condition: "disabled"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := r.Keys(t.Context(), callOf("111111111111"), "bao", ""); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("another realm gets %v", err)
	}
	if _, err := r.Keys(t.Context(), callOf(key.DefaultRealm), "nothing", ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("of no provider: %v", err)
	}
}

// TestState: how a service is goes to the operator with its cause, and to
// whoever reaches /readyz without.
func TestState(t *testing.T) {
	since := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := newPlace(t, remote.Health{
		Name: "bao", State: remote.StateRefusing, Since: since, Err: errors.New("403 permission denied"), Calls: 9, Failures: 3, Throttled: 1, Retries: 2,
	})
	r := newReader(t, p)
	want := native.Provider{
		Name: "bao", Kind: "vault", Place: "Vault https://bao:8200, transit", Realms: []string{"123456789012", "210987654321"}, Protection: "software",
		State: "refusing", Cause: "403 permission denied", Since: since, Requests: 9, Failures: 3, Throttled: 1, Retries: 2,
	}
	got, err := r.Providers(t.Context(), callOf(key.DefaultRealm))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]native.Provider{want}, got.Providers); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if lines := r.Of.Lines(); lines != "provider bao: refusing since 2026-11-23T12:00:00Z\n" {
		t.Errorf("the lines are %q", lines)
	}
	one, err := r.Provider(t.Context(), callOf(key.DefaultRealm), "bao")
	if err != nil || len(one.Makes) < 12 {
		t.Errorf("got %+v, %v", one, err)
	}
	realms := map[string][]key.RealmID{}
	r.Of.Realms(realms)
	if diff := cmp.Diff(map[string][]key.RealmID{"bao": {"123456789012", "210987654321"}}, realms); diff != "" {
		t.Error(diff)
	}
}

// TestTest is the table of what can be tried, and what is said of it.
func TestTest(t *testing.T) {
	p := newPlace(t, remote.Health{Name: "bao", State: remote.StateOK})
	r := newReader(t, p)
	for name, test := range map[string]struct {
		req  native.TestProviderRequest
		err  error
		want native.ProviderTrial
		kind fault.Kind
	}{
		"reached":       {native.TestProviderRequest{}, nil, native.ProviderTrial{OK: true}, 0},
		"not reached":   {native.TestProviderRequest{}, &fault.Error{Kind: fault.Unavailable, Public: "away", Err: errors.New("dial: refused")}, native.ProviderTrial{Failure: "away", Cause: "dial: refused"}, 0},
		"a key":         {native.TestProviderRequest{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY"}, nil, native.ProviderTrial{OK: true}, 0},
		"no spec":       {native.TestProviderRequest{Usage: "SIGN_VERIFY"}, nil, native.ProviderTrial{}, fault.InvalidArgument},
		"no usage":      {native.TestProviderRequest{Spec: "RSA_2048"}, nil, native.ProviderTrial{}, fault.InvalidArgument},
		"a wrong usage": {native.TestProviderRequest{Spec: "HMAC_256", Usage: "SIGN_VERIFY"}, nil, native.ProviderTrial{}, fault.InvalidArgument},
	} {
		p.err = test.err
		got, err := r.Test(t.Context(), callOf(key.DefaultRealm), "bao", &test.req)
		if test.kind != 0 {
			if fault.KindOf(err) != test.kind {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got.Micros, got.MadeMicros = 0, 0
		if diff := cmp.Diff(&test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestProvidersThatCannotBe: what is wrong with a configuration is said by its
// setting, and ends the start.
func TestProvidersThatCannotBe(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]config.Provider{
		"secret_access_key_file":  {AWSKMS: &config.AWSKMS{AccessKeyID: "a", SecretAccessKeyFile: "/nothing"}},
		`"SM2" is not known`:      {AWSKMS: &config.AWSKMS{Without: []string{"p-256", "SM2"}}},
		"has no certificate":      {AWSKMS: &config.AWSKMS{CACertificate: empty}},
		"client_secret_file":      {AzureKV: &config.AzureKV{Vault: "https://a.vault.azure.net", ClientSecretFile: "/nothing"}},
		`the vault "http://a"`:    {AzureKV: &config.AzureKV{Vault: "http://a"}},
		`algorithm "md5"`:         {GCPKMS: &config.GCPKMS{RSASigns: "md5"}},
		"KeyRing":                 {GCPKMS: &config.GCPKMS{KeyRing: "nowhere"}},
		"a secret id":             {Vault: &config.Vault{Address: "https://127.0.0.1:1", AppRole: &config.AppRole{}}},
		"the provider p is of no": {},
	} {
		p.Name = "p"
		opened, err := Open(t.Context(), []config.Provider{p}, keyring(t), slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s: it is opened: %v", want, opened.Close())
		} else if text := err.Error() + " " + public(err); !strings.Contains(text, want) {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}

func public(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Public
	}
	return ""
}
