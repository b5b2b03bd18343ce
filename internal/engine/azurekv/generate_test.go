package azurekv

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

func ecKind() engine.Kind { return engine.Kind{Spec: alg.P256, Usage: alg.SignVerify} }

func wantKind(t *testing.T, err error, kind fault.Kind, when string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("%s: %v, want an error of kind %q", when, err, kind)
	}
}

// TestNew is which options make an engine.
func TestNew(t *testing.T) {
	t.Parallel()
	named := remote.Settings{Name: "a"}
	for vault, managed := range map[string]bool{
		"https://contoso.vault.azure.net": false, "https://contoso.vault.azure.net/": false, "https://Contoso.vault.azure.net:443": false,
		"https://contoso.managedhsm.azure.net": true, "https://hsm.managedhsm.usgovcloudapi.net": true, "https://127.0.0.1:8443": false,
	} {
		e := newEngine(t, Options{Settings: named, Vault: vault})
		if e.managed != managed || e.Name() != "a" || (e.Protection() == key.HSM) != managed {
			t.Errorf("%s: a Managed HSM: %t, protection %q", vault, e.managed, e.Protection())
		}
	}
	for name, o := range map[string]Options{
		"no vault":     {Settings: named},
		"no name":      {Vault: "https://contoso.vault.azure.net"},
		"http":         {Settings: named, Vault: "http://contoso.vault.azure.net"},
		"a key's URL":  {Settings: named, Vault: "https://contoso.vault.azure.net/keys/a"},
		"a user":       {Settings: named, Vault: "https://me@contoso.vault.azure.net"},
		"a query":      {Settings: named, Vault: "https://contoso.vault.azure.net?x=y"},
		"only a name":  {Settings: named, Vault: "contoso"},
		"no host":      {Settings: named, Vault: "https:///"},
		"a bad escape": {Settings: named, Vault: "https://%zz"},
	} {
		_, err := New(t.Context(), enginetest.Box{}, o)
		wantKind(t, err, fault.InvalidArgument, name)
	}
	_, err := New(t.Context(), nil, Options{Settings: named, Vault: "https://contoso.vault.azure.net"})
	wantKind(t, err, fault.InvalidArgument, "no wrapper")
}

// TestHardware: with Options.HSM the keys of a vault are in hardware.
func TestHardware(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	o := options(s)
	o.HSM = true
	e := newEngine(t, o)
	if e.Protection() != key.HSM {
		t.Errorf("the protection is %q", e.Protection())
	}
	if err := signs(t, e, refOf(1)); err != nil {
		t.Fatal(err)
	}
	plain := enginetest.NewPlain(t, alg.Secp256k1)
	if _, err := e.Import(t.Context(), refOf(2), engine.Kind{Spec: alg.Secp256k1, Usage: alg.SignVerify}, plain); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2} {
		k, err := e.get(t.Context(), "Test", e.named(remote.KeyName(refOf(n))))
		if err != nil || k.kty != azure.ECHSM {
			t.Errorf("key %d is of type %q (%v)", n, k.kty, err)
		}
	}
}

// TestSameKeyTwice: a key that is made again is the same key, and none beside it;
// one of the name that is another is a Conflict.
func TestSameKeyTwice(t *testing.T) {
	t.Parallel()
	s := azurekvtest.StartManagedHSM(t)
	e := newEngine(t, options(s))
	for n, kind := range []engine.Kind{ecKind(), {Spec: alg.AES256, Usage: alg.EncryptDecrypt}, {Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC}} {
		one, err := e.Generate(t.Context(), refOf(n), kind)
		if err != nil {
			t.Fatal(err)
		}
		two, err := e.Generate(t.Context(), refOf(n), kind)
		if err != nil || string(one.Public) != string(two.Public) || s.Keys() != n+1 {
			t.Errorf("%s, made twice: another key, %d in all (%v)", kind.Spec, s.Keys(), err)
		}
	}
	for name, kind := range map[string]engine.Kind{
		"another curve": {Spec: alg.P384, Usage: alg.SignVerify}, "another type": {Spec: alg.AES256, Usage: alg.EncryptDecrypt},
	} {
		_, err := e.Generate(t.Context(), refOf(0), kind)
		wantKind(t, err, fault.Conflict, name)
	}
	_, err := e.Generate(t.Context(), refOf(1), engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC})
	wantKind(t, err, fault.Conflict, "another symmetric key")
	_, err = e.Import(t.Context(), refOf(0), ecKind(), enginetest.NewPlain(t, alg.P256))
	wantKind(t, err, fault.Conflict, "import of other material")
	other := refOf(0)
	other.Realm = "210987654321"
	_, err = e.Generate(t.Context(), other, ecKind())
	wantKind(t, err, fault.Conflict, "the same id in another realm")
	if s.Keys() != 3 {
		t.Errorf("there are %d keys", s.Keys())
	}
}

// TestImportTwice: an import whose answer was lost is found again.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	plain := enginetest.NewPlain(t, alg.P521)
	kind := engine.Kind{Spec: alg.P521, Usage: alg.SignVerify}
	one, err := e.Import(t.Context(), refOf(1), kind, plain)
	if err != nil {
		t.Fatal(err)
	}
	two, err := e.Import(t.Context(), refOf(1), kind, plain)
	if err != nil || string(one.Public) != string(two.Public) || s.Keys() != 1 {
		t.Errorf("%d keys (%v)", s.Keys(), err)
	}
}

// TestAnswersAboutAnotherKey: they are asked for again, and are an error in the
// end.
func TestAnswersAboutAnotherKey(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	m, err := e.Generate(t.Context(), refOf(1), ecKind())
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), refOf(1), alg.P256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	s.Confuse(2)
	if err := signWith(k); err != nil {
		t.Errorf("after two answers about another key: %v", err)
	}
	s.Confuse(10)
	wantKind(t, signWith(k), fault.Unavailable, "only answers about another key")
	s.Confuse(0)
}

// TestMakeNames is which names a caller may choose.
func TestMakeNames(t *testing.T) {
	t.Parallel()
	e := newEngine(t, options(azurekvtest.Start(t)))
	for name, want := range map[string]fault.Kind{
		"": fault.InvalidArgument, "a/b": fault.InvalidArgument, "a b": fault.InvalidArgument, strings.Repeat("a", 128): fault.InvalidArgument,
		remote.KeyName(refOf(1)): fault.InvalidArgument, strings.ToUpper(remote.KeyName(refOf(1))): fault.InvalidArgument,
	} {
		_, err := e.Make(t.Context(), name, ecKind())
		wantKind(t, err, want, name)
	}
	_, err := e.Make(t.Context(), "a", engine.Kind{Spec: alg.Ed25519, Usage: alg.SignVerify})
	wantKind(t, err, fault.Unsupported, "a spec that a vault does not have")
	name, err := e.Make(t.Context(), "Mixed-Case-1", ecKind())
	if err != nil || !strings.HasSuffix(name, "/keys/Mixed-Case-1") {
		t.Errorf("%s, %v", name, err)
	}
	_, err = e.Make(t.Context(), "mixed-case-1", ecKind())
	wantKind(t, err, fault.AlreadyExists, "a name that differs by case")
}

// TestList goes through all pages, and tells what is what.
func TestList(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x"} {
		s.AddKey(t, "many-"+name, azure.CreateKey{Type: azure.EC, Curve: azure.P384})
	}
	off := false
	s.AddKey(t, "disabled", azure.CreateKey{Type: azure.ECHSM, Curve: azure.P256K, Attributes: &azure.Attributes{Enabled: &off}})
	s.AddKey(t, "expired", azure.CreateKey{Type: azure.EC, Curve: azure.P256, Attributes: &azure.Attributes{Expires: 1}})
	s.AddKey(t, "wraps", azure.CreateKey{Type: azure.RSA, Size: 2048, Ops: []azure.KeyOperation{azure.WrapKey, azure.UnwrapKey}})
	if _, err := e.Generate(t.Context(), refOf(1), ecKind()); err != nil {
		t.Fatal(err)
	}
	got := map[string]engine.Listed{}
	pages := 0
	for page := ""; pages == 0 || page != "" && pages < 10; pages++ {
		keys, next, err := e.List(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if time.Since(k.Renewed) > time.Hour {
				t.Errorf("%s was made at %v", k.Name, k.Renewed)
			}
			k.Renewed = time.Time{}
			if !strings.Contains(k.Name, "/keys/many-") {
				got[strings.TrimPrefix(k.Name, s.URL()+"/keys/")] = k
			}
			if _, _, err := e.Adopt(t.Context(), refOf(2), k.Name); err != nil && !k.Made {
				t.Errorf("%s is not adopted: %v", k.Name, err)
			}
		}
		page = next
	}
	want := map[string]engine.Listed{
		"disabled":               {Kind: engine.Kind{Spec: alg.Secp256k1, Usage: alg.SignVerify}, Type: "EC-HSM P-256K", Condition: engine.Disabled, Protection: key.HSM},
		"expired":                {Kind: ecKind(), Type: "EC P-256", Condition: engine.Unusable, Protection: key.Software},
		"wraps":                  {Kind: engine.Kind{Spec: alg.RSA2048, Usage: alg.EncryptDecrypt}, Type: "RSA 2048", Condition: engine.Usable, Protection: key.Software},
		remote.KeyName(refOf(1)): {Kind: ecKind(), Type: "EC P-256", Condition: engine.Usable, Made: true, Protection: key.Software},
	}
	for name, k := range want {
		k.Name = s.URL() + "/keys/" + name
		want[name] = k
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 2 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	_, _, err := e.List(t.Context(), "%zz")
	wantKind(t, err, fault.InvalidArgument, "no page")
}

// TestRandom: a Managed HSM gives as many bytes as are asked for, 128 at a time;
// while it is away there are none.
func TestRandom(t *testing.T) {
	t.Parallel()
	s := azurekvtest.StartManagedHSM(t)
	o := options(s)
	o.Retries = -1
	e := newEngine(t, o)
	b := make([]byte, 1000)
	before := s.Requests()
	if err := e.Random(t.Context(), b); err != nil || s.Requests()-before != 8+1 { // and one for the challenge
		t.Errorf("%d requests (%v)", s.Requests()-before, err)
	}
	if strings.Contains(string(b), strings.Repeat("\x00", 8)) {
		t.Error("some of the bytes were not filled")
	}
	o.Vault, o.Log = "https://127.0.0.1:1", slog.New(slog.DiscardHandler)
	wantKind(t, newEngine(t, o).Random(t.Context(), b), fault.Unavailable, "no Managed HSM")
}
