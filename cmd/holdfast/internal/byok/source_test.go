package byok

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Which forms of keys are read, and as what.
func TestReadKey(t *testing.T) {
	ec := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(ec))
	rsa8 := must(x509.MarshalPKCS8PrivateKey(rsaKey))
	ed8 := must(x509.MarshalPKCS8PrivateKey(ed))
	sec1 := must(x509.MarshalECPrivateKey(ec))
	pkcs1 := x509.MarshalPKCS1PrivateKey(rsaKey)
	inPEM := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	secret := []byte("0123456789abcdef0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL")
	tests := map[string]struct {
		in   []byte
		ask  engine.Kind
		want []byte // nil for a refusal
		is   engine.Kind
	}{
		"PKCS #8 in PEM":          {inPEM("PRIVATE KEY", pkcs8), engine.Kind{}, pkcs8, engine.Kind{Spec: alg.P384, Usage: alg.SignVerify}},
		"PKCS #8 in DER":          {ed8, engine.Kind{}, ed8, engine.Kind{Spec: alg.Ed25519, Usage: alg.SignVerify}},
		"SEC 1 in PEM":            {inPEM("EC PRIVATE KEY", sec1), engine.Kind{}, pkcs8, engine.Kind{Spec: alg.P384, Usage: alg.SignVerify}},
		"SEC 1 in DER":            {sec1, engine.Kind{}, pkcs8, engine.Kind{Spec: alg.P384, Usage: alg.SignVerify}},
		"PKCS #1 in DER":          {pkcs1, engine.Kind{}, rsa8, engine.Kind{Spec: alg.RSA2048}},
		"RSA for one usage":       {rsa8, engine.Kind{Usage: alg.EncryptDecrypt}, rsa8, engine.Kind{Spec: alg.RSA2048, Usage: alg.EncryptDecrypt}},
		"32 bytes":                {secret[:32], engine.Kind{}, secret[:32], engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt}},
		"32 bytes for MACs":       {secret[:32], engine.Kind{Usage: alg.GenerateVerifyMAC}, secret[:32], engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC}},
		"32 bytes of a spec":      {secret[:32], engine.Kind{Spec: alg.HMAC256}, secret[:32], engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC}},
		"64 bytes":                {secret, engine.Kind{}, secret, engine.Kind{Spec: alg.HMAC512, Usage: alg.GenerateVerifyMAC}},
		"64 bytes for encryption": {secret, engine.Kind{Usage: alg.EncryptDecrypt}, nil, engine.Kind{}},
		"another spec":            {pkcs8, engine.Kind{Spec: alg.P256}, nil, engine.Kind{}},
		"17 bytes":                {secret[:17], engine.Kind{}, nil, engine.Kind{}},
		"nothing":                 {nil, engine.Kind{}, nil, engine.Kind{}},
		"a public key":            {inPEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&ec.PublicKey))), engine.Kind{}, nil, engine.Kind{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			kind := tt.ask
			got, err := readKey(tt.in, &kind)
			if tt.want == nil {
				if err == nil {
					t.Errorf("read as %v", kind)
				}
				return
			}
			if err != nil || !bytes.Equal(got, tt.want) || cmp.Diff(tt.is, kind) != "" {
				t.Errorf("%v, %v; want %v", kind, err, tt.is)
			}
		})
	}
}

// FuzzReadKey: what is read is read again as the same, and as the same kind.
func FuzzReadKey(f *testing.F) {
	f.Add(must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))))
	f.Add(must(x509.MarshalECPrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))))
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var one engine.Kind
		plain, err := readKey(data, &one)
		if err != nil {
			return
		}
		var two engine.Kind
		again, err := readKey(plain, &two)
		if err != nil || !bytes.Equal(plain, again) || one != two {
			t.Errorf("%v and then %v (%v)", one, two, err)
		}
	})
}

// A profile is the file that "holdfast dev" writes, or one like it.
func TestVariables(t *testing.T) {
	got := variables("# Points clients\nexport HOLDFAST_ADDR='https://h:1'\nHOLDFAST_REGION=eu\nexport A=\"b c\"\nexport Q='it'\\''s'\nnothing\n")
	want := map[string]string{"HOLDFAST_ADDR": "https://h:1", "HOLDFAST_REGION": "eu", "A": "b c", "Q": "it's"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProfile(t *testing.T) {
	a := &app{&terminal.App{}}
	path := filepath.Join(t.TempDir(), "env")
	text := "export " + client.EnvAddress + "='https://kms.example.com'\nexport " + client.EnvAccessKeyID + "='AKIA'\nexport " + client.EnvSecretAccessKey + "='s'\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := a.connectTo(path); err != nil || c.Address() != "https://kms.example.com" {
		t.Errorf("%v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte("export X='y'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.connectTo(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a profile without a server: %v", err)
	}
}

// What a blob may be under, by its size alone.
func TestDescribe(t *testing.T) {
	a := &app{&terminal.App{}}
	for size, want := range map[int][]underSize{
		552:  {{3072, 384, 168, 153, 160, nil}, {4096, 512, 40, 25, 32, nil}},
		1736: {{4096, 512, 1224, 1209, 1216, nil}},
		300:  {{2048, 256, 44, 29, 36, nil}},
		9:    nil,
	} {
		d, err := a.describe(&transfer.Blob{KID: "k", Ciphertext: make([]byte, size)}, "")
		if err != nil {
			t.Fatal(err)
		}
		if size == 300 { // no multiple of 8: no key is as long
			want = nil
		}
		if len(d.Under) != len(want) {
			t.Errorf("%d bytes: %+v", size, d.Under)
			continue
		}
		for i := range want {
			got := d.Under[i]
			if len(got.Specs) == 0 {
				t.Errorf("%d bytes under %d bits: no spec", size, got.Bits)
			}
			got.Specs = nil
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Errorf("%d bytes (-want +got):\n%s", size, diff)
			}
		}
	}
}
