package awskms_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// recorder is a service that writes down what it is asked, and answers as AWS
// KMS does.
type recorder struct {
	bytes.Buffer
	kinds map[string]map[string]any // of keys, by name
}

const goldenARN = "arn:aws:kms:eu-central-1:123456789012:key/0c1d"

// say answers a request.
func (r *recorder) say(q asked) answer {
	text, err := json.Marshal(q.body) // sorts the members
	if err != nil {
		return answer{code: "SerializationException"}
	}
	_, _ = fmt.Fprintf(r, "%s %s\n", q.operation, text)
	name, _ := q.body["KeyId"].(string)
	switch q.operation {
	case "CreateKey":
		m := map[string]any{"KeyId": "0c1d", "Arn": goldenARN, "KeyState": "Enabled"}
		for _, member := range []string{"KeySpec", "KeyUsage", "Origin"} {
			m[member] = q.body[member]
		}
		r.kinds[goldenARN] = m
		return answer{body: map[string]any{"KeyMetadata": m}}
	case "CreateAlias":
		r.kinds[q.body["AliasName"].(string)] = r.kinds[goldenARN]
	case "DescribeKey":
		m, ok := r.kinds[name]
		if !ok {
			return answer{code: "NotFoundException"}
		}
		return answer{body: map[string]any{"KeyMetadata": m}}
	}
	return answer{body: map[string]any{
		"KeyId": goldenARN, "Mac": strings.Repeat("A", 43) + "=", "Signature": "AAAA", "SignatureValid": true, "MacValid": true,
		"SharedSecret": strings.Repeat("A", 43) + "=", "CiphertextBlob": "AAAA", "Plaintext": "AAAA", "PublicKey": p256SPKI, "Keys": []any{map[string]any{"KeyArn": goldenARN}},
	}}
}

// p256SPKI is some key on P-256, in base64.
const p256SPKI = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqs1dbni4zND9wPO/lVYs7FOh8JkV20by00FyRRQioog3Leto/ZZ5FobtSq2KMfTEcynJiFnIRw5TkeI9PbRqGA=="

// TestRequests holds what is sent for each operation against a golden file.
func TestRequests(t *testing.T) {
	r := &recorder{kinds: map[string]map[string]any{}}
	e := newEngine(t, over(canned(t, r.say)))
	step := func(what string, f func() error) {
		t.Helper()
		_, _ = fmt.Fprintf(r, "\n# %s\n", what)
		if err := f(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	ref := version(1)
	m, k := goldenKey(t, r, e, signs)
	step("sign", func() error {
		_, err := engine.Sign(k.Signer, alg.ECDSASHA256, engine.Message{Form: alg.Raw, Bytes: []byte("message")})
		return err
	})
	step("verify", func() error {
		return k.Verifier.Verify(alg.ECDSASHA256, engine.Message{Form: alg.Raw, Bytes: []byte("message")}, []byte{0, 0, 0})
	})
	step("disable", func() error { return e.SetEnabled(t.Context(), ref, alg.P256, m.Wrapped, false) })
	step("enable", func() error { return e.SetEnabled(t.Context(), ref, alg.P256, m.Wrapped, true) })
	step("condition", func() error {
		_, err := e.Condition(t.Context(), ref, alg.P256, m.Wrapped)
		return err
	})
	step("destroy", func() error { return e.Destroy(t.Context(), ref, m.Wrapped) })
	step("recover", func() error { return e.Recover(t.Context(), ref, alg.P256, m.Wrapped) })
	step("list", func() error {
		_, _, err := e.List(t.Context(), "")
		return err
	})
	step("random", func() error { return e.Random(t.Context(), make([]byte, 3)) })
	clear(r.kinds)
	m, k = goldenKey(t, r, e, engine.Kind{Spec: alg.P256, Usage: alg.KeyAgreement})
	step("agree", func() error {
		peer, err := engine.ParsePublic(alg.P256, m.Public)
		if err != nil {
			return err
		}
		_, err = engine.Agree(alg.P256, k.Agreement, peer)
		return err
	})
	clear(r.kinds)
	_, k = goldenKey(t, r, e, engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt})
	step("encrypt", func() error {
		_, err := k.AEAD.Seal(nil, []byte("plaintext"), []byte("associated"))
		return err
	})
	step("encrypt with much associated data", func() error {
		_, err := k.AEAD.Seal(nil, []byte("plaintext"), make([]byte, 4096))
		return err
	})
	step("decrypt", func() error {
		_, err := k.AEAD.Open(nil, []byte("ciphertext"), nil)
		return err
	})
	clear(r.kinds)
	_, k = goldenKey(t, r, e, engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC})
	step("compute a code", func() error {
		_, err := k.MAC.Sum(nil, []byte("message"))
		return err
	})
	step("check a code", func() error {
		return k.Verifier.Verify(alg.HMACSHA256, engine.Message{Form: alg.Raw, Bytes: []byte("message")}, make([]byte, 32))
	})
	golden(t, "requests.txt", r.Bytes())
}

// goldenKey makes a key of a kind.
func goldenKey(t *testing.T, r *recorder, e *awskms.Engine, kind engine.Kind) (engine.Material, *engine.Key) {
	t.Helper()
	_, _ = fmt.Fprintf(r, "\n# make a key of type %s\n", kind.Spec)
	return generate(t, e, version(1), kind)
}

// golden compares with a file, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
