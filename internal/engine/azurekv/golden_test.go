package azurekv

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys/fake"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

func operation(iv, value, tag int) azkeys.KeyOperationResult {
	return azkeys.KeyOperationResult{IV: make([]byte, iv), Result: bytes.Repeat([]byte{7}, value), AuthenticationTag: bytes.Repeat([]byte{9}, tag)}
}

// recorder is a transport that writes down what is sent with a token.
type recorder struct {
	policy.Transporter
	sent []string
}

func (r *recorder) Do(q *http.Request) (*http.Response, error) {
	var body []byte
	if q.Body != nil {
		var err error
		if body, err = io.ReadAll(q.Body); err != nil {
			return nil, err
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
	}
	if q.Header.Get("Authorization") != "" {
		r.sent = append(r.sent, strings.TrimSpace(q.Method+" "+q.URL.Path+"?"+q.URL.RawQuery+" "+string(body)))
	}
	return r.Transporter.Do(q)
}

// TestRequests is what reaches a vault, word for word.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := azurekvtest.StartManagedHSM(t)
	o := options(s)
	record := &recorder{Transporter: newClient(&o)}
	o.Transport = record
	e := newEngine(t, o)
	const name = "holdfast-00000001-1111-4111-8111-111111111111-1"
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	m, err := e.Generate(t.Context(), refOf(1), ecKind())
	do("Generate", err)
	k, err := e.Open(t.Context(), refOf(1), alg.P256, m.Wrapped)
	do("Open", err)
	digest := engine.Message{Form: alg.Digest, Bytes: bytes.Repeat([]byte{0xfb}, 32)}
	_, err = engine.Sign(k.Signer, alg.ECDSASHA256, digest)
	do("Sign", err)
	wantKind(t, k.Verifier.Verify(alg.ECDSASHA256, digest, []byte{0x30, 6, 2, 1, 1, 2, 1, 2}), fault.BadSignature, "Verify")
	do("SetEnabled", e.SetEnabled(t.Context(), refOf(1), alg.P256, m.Wrapped, false))
	aes := s.AddKey(t, "aes", azure.CreateKey{Type: azure.OctHSM, Size: 256, Ops: azure.OperationsFor(alg.EncryptDecrypt)})
	_, _, sealer := adopted(t, e, "aes")
	_, err = sealer.AEAD.Seal(nil, []byte("plaintext"), []byte("associated"))
	do("Seal", err)
	do("Random", e.Random(t.Context(), make([]byte, 5)))
	do("Destroy", e.Destroy(t.Context(), refOf(1), m.Wrapped))
	do("Recover", e.Recover(t.Context(), refOf(1), alg.P256, m.Wrapped))

	at := "/keys/" + name
	got := strings.Join(record.sent, "\n")
	for _, r := range []struct{ old, new string }{{versionOf(aes), "AES-VERSION"}, {versionIn(t, e, refOf(1), m), "VERSION"}} {
		got = strings.ReplaceAll(got, r.old, r.new)
	}
	const api = "?api-version=2025-07-01"
	value := "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s"
	want := strings.Join([]string{
		"GET " + at + "/" + api,
		"POST " + at + "/create" + api + ` {"crv":"P-256","key_ops":["sign","verify"],"kty":"EC-HSM","tags":{"holdfast:key":"00000001-1111-4111-8111-111111111111","holdfast:realm":"123456789012","holdfast:spec":"p-256","holdfast:version":"1"}}`,
		"POST " + at + "/VERSION/sign" + api + ` {"alg":"ES256","value":"` + value + `"}`,
		"POST " + at + "/VERSION/verify" + api + ` {"alg":"ES256","digest":"` + value + `","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAg"}`,
		"PATCH " + at + "/VERSION" + api + ` {"attributes":{"enabled":false}}`,
		"GET /keys/aes/" + api,
		"POST /keys/aes/AES-VERSION/encrypt" + api + ` {"alg":"A256GCM","value":"cHJvYmU"}`,
		"POST /keys/aes/encrypt" + api + ` {"aad":"YXNzb2NpYXRlZA","alg":"A256GCM","value":"cGxhaW50ZXh0"}`,
		"POST /rng" + api + ` {"count":5}`,
		"DELETE " + at + api,
		"GET /deletedkeys/" + name + api, // not yet
		"GET /deletedkeys/" + name + api,
		"GET " + at + "/VERSION" + api,
		"POST /deletedkeys/" + name + "/recover" + api,
		"GET " + at + "/VERSION" + api, // not yet
		"POST /deletedkeys/" + name + "/recover" + api,
		"GET " + at + "/VERSION" + api,
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// versionIn returns the version of a key that an engine made.
func versionIn(t *testing.T, e *Engine, ref engine.Ref, m engine.Material) string {
	t.Helper()
	r, err := remote.Unseal(e.box, ref, alg.P256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return r.Version
}

// TestFakeTransport has the engine on the SDK's own fake of the service, which
// was made from Microsoft's description of it.
func TestFakeTransport(t *testing.T) {
	t.Parallel()
	plain, err := engine.ParsePlain(alg.P384, enginetest.NewPlain(t, alg.P384))
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := azure.NewJSONWebKey(plain.Public, true)
	if err != nil {
		t.Fatal(err)
	}
	const kid = "https://fake.managedhsm.azure.net/keys/holdfast-00000001-1111-4111-8111-111111111111-1/0123456789abcdef0123456789abcdef"
	var made azkeys.CreateKeyParameters
	server := fake.Server{
		GetKey: func(context.Context, string, string, *azkeys.GetKeyOptions) (ok azfake.Responder[azkeys.GetKeyResponse], bad azfake.ErrorResponder) {
			bad.SetResponseError(http.StatusNotFound, "KeyNotFound")
			return ok, bad
		},
		CreateKey: func(_ context.Context, _ string, p azkeys.CreateKeyParameters, _ *azkeys.CreateKeyOptions) (ok azfake.Responder[azkeys.CreateKeyResponse], bad azfake.ErrorResponder) {
			made = p
			ok.SetResponse(http.StatusOK, azkeys.CreateKeyResponse{KeyBundle: azkeys.KeyBundle{Tags: p.Tags, Key: &azkeys.JSONWebKey{
				KID: new(azkeys.ID(kid)), Kty: p.Kty, KeyOps: p.KeyOps, Crv: p.Curve, X: jwk.X, Y: jwk.Y,
			}}}, nil)
			return ok, bad
		},
		Sign: func(_ context.Context, _, _ string, p azkeys.SignParameters, _ *azkeys.SignOptions) (ok azfake.Responder[azkeys.SignResponse], bad azfake.ErrorResponder) {
			if *p.Algorithm != azkeys.SignatureAlgorithmES384 || len(p.Value) != 48 { // the fake does not tell names from versions
				bad.SetResponseError(http.StatusBadRequest, "BadParameter")
				return ok, bad
			}
			signature := make([]byte, 96)
			signature[47], signature[95] = 1, 2
			ok.SetResponse(http.StatusOK, azkeys.SignResponse{KeyOperationResult: azkeys.KeyOperationResult{KID: new(azkeys.ID(kid)), Result: signature}}, nil)
			return ok, bad
		},
	}
	e := newEngine(t, Options{
		Settings: remote.Settings{Name: "fake", Log: slog.New(slog.DiscardHandler)}, Vault: "https://fake.managedhsm.azure.net",
		Credential: &azfake.TokenCredential{}, Transport: fake.NewServerTransport(&server),
	})
	m, err := e.Generate(t.Context(), refOf(1), engine.Kind{Spec: alg.P384, Usage: alg.SignVerify})
	if err != nil {
		t.Fatal(err)
	}
	if made.Kty == nil || *made.Kty != azkeys.KeyTypeECHSM || made.KeySize != nil {
		t.Errorf("what was asked for: %+v", made)
	}
	k, err := e.Open(t.Context(), refOf(1), alg.P384, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := engine.Sign(k.Signer, alg.ECDSASHA384, engine.Message{Form: alg.Raw, Bytes: []byte("m")})
	if want := []byte{0x30, 6, 2, 1, 1, 2, 1, 2}; err != nil || !bytes.Equal(signature, want) {
		t.Errorf("%x, %v", signature, err)
	}
	wantKind(t, e.Destroy(t.Context(), refOf(1), m.Wrapped), fault.Unavailable, "an operation that the fake does not have")
}
