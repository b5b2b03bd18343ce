package remote

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// TestLogin: a PIN is a credential of the server, and nothing else is a PIN.
func TestLogin(t *testing.T) {
	w := start(t)
	id, secret := w.settings.AccessKeyID, w.settings.SecretAccessKey
	named := func(c *Config) { c.AccessKeyID = id }
	own := func(c *Config) { c.Own = true }
	short := func(c *Config) { c.Own, c.PIN = true, []byte("1234") }
	for name, test := range map[string]struct {
		change func(*Config)
		pin    []byte
		want   fault.Kind // Internal for none
	}{
		"credential":              {nil, w.pin(), fault.Internal},
		"secret alone":            {named, []byte(secret), fault.Internal},
		"credential, id known":    {named, w.pin(), fault.Internal},
		"own":                     {own, nil, fault.Internal},
		"credential beside own":   {own, w.pin(), fault.Internal},
		"configured":              {short, []byte("1234"), fault.Internal},
		"credential beside it":    {short, w.pin(), fault.Internal},
		"none beside it":          {short, nil, fault.Unauthenticated},
		"empty beside it":         {short, []byte{}, fault.Unauthenticated},
		"not the configured":      {short, []byte("12345"), fault.Unauthenticated},
		"none":                    {nil, nil, fault.Unauthenticated},
		"empty":                   {nil, []byte{}, fault.Unauthenticated},
		"empty beside own":        {own, []byte{}, fault.Unauthenticated},
		"secret alone, id not":    {nil, []byte(secret), fault.Unauthenticated},
		"wrong secret":            {nil, []byte(id + ":1234"), fault.Unauthenticated},
		"wrong id":                {nil, []byte("AKIANOBODY:" + secret), fault.Unauthenticated},
		"a token that is none":    {nil, []byte(id + ":" + secret + ":token"), fault.Unauthenticated},
		"as long as nothing else": {nil, bytes.Repeat([]byte("a"), maxPIN+1), fault.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.token(t, test.change)
			h, err := token.Login(t.Context(), test.pin)
			if test.want != fault.Internal {
				wants(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			if token.accounts[[32]byte{}] != nil || len(token.accounts) != 1 {
				t.Errorf("%d accounts", len(token.accounts))
			}
		})
	}
}

// TestKey takes a key of the token through its life.
func TestKey(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	h := w.login(t, w.token(t, nil), w.pin())
	made, err := h.Generate(ctx, &token.Blueprint{Spec: alg.P384, Usage: alg.SignVerify, Label: "ca-signing-key", CKAID: []byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	digest := sha512.Sum384([]byte("message"))
	signature, err := made.Use.Sign(ctx, alg.ECDSASHA384, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(made.Public)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], signature) {
		t.Error("the signature is wrong")
	}
	k, err := w.Key(ctx, "alias/ca-signing-key")
	if err != nil || k.ID != made.ID {
		t.Fatalf("the label is no alias: %+v %v", k, err)
	}
	if diff := cmp.Diff([]client.Tag{{Key: TagID, Value: "01"}, {Key: TagLabel, Value: "ca-signing-key"}}, k.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	// The same label once more: it is legal, and the alias stays where it is.
	again, err := h.Generate(ctx, &token.Blueprint{Spec: alg.P256, Usage: alg.SignVerify, Label: "ca-signing-key"})
	if err != nil {
		t.Fatal(err)
	}
	ski, err := keyless.SKIOf(again.Public)
	if err != nil || !bytes.Equal(again.CKAID, ski[:]) {
		t.Errorf("the CKA_ID is %x and not %x (%v)", again.CKAID, ski, err)
	}
	if got := slices.Sorted(maps.Keys(objects(t, h))); !slices.Equal(got, []string{"key ca-signing-key", "key ca-signing-key'"}) {
		t.Errorf("the token has %q", got)
	}
	if err := h.Rename(ctx, again.ID, "other", []byte{2, 3}); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, h)["key other"]; got.ID != again.ID || !bytes.Equal(got.CKAID, []byte{2, 3}) {
		t.Errorf("renamed: %+v", got)
	}
	if err := h.Rename(ctx, again.ID, "", nil); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, h)["key "+again.ID]; !bytes.Equal(got.CKAID, ski[:]) {
		t.Errorf("without names: %+v", got)
	}
	if err := h.Destroy(ctx, again.ID); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(objects(t, h))); !slices.Equal(got, []string{"key ca-signing-key"}) {
		t.Errorf("after the end of one the token has %q", got)
	}
	if k, err = w.Key(ctx, again.ID); err != nil || k.State != "pending deletion" || k.DeleteAt.Sub(k.CreatedAt) > 8*24*time.Hour {
		t.Errorf("destroyed: %+v %v", k, err)
	}
	wants(t, h.Destroy(ctx, again.ID), fault.NotFound)
	wants(t, h.Rename(ctx, again.ID, "x", nil), fault.NotFound)
}

// TestImport: keys that an application brings, and takes away again.
func TestImport(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	h := w.login(t, w.token(t, nil), w.pin())
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	in, err := h.Import(ctx, &token.Blueprint{Spec: alg.P256, Usage: alg.SignVerify, Label: "brought", Exportable: true}, der)
	if err != nil {
		t.Fatal(err)
	}
	if !in.Imported || !in.Exportable {
		t.Errorf("%+v", in)
	}
	out, err := h.Material(ctx, in.ID)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := x509.ParsePKCS8PrivateKey(out); err != nil || !private.Equal(back) {
		t.Errorf("another key came back: %v", err)
	}
	kept, err := h.Generate(ctx, &token.Blueprint{Spec: alg.P256, Usage: alg.SignVerify})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Material(ctx, kept.ID)
	if fault.ReasonOf(err) != fault.NotExportable {
		t.Errorf("got %v", err)
	}
}

// TestUse: what keys do, judged by the standard library.
func TestUse(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	h := w.login(t, w.token(t, nil), w.pin())
	generate := func(s alg.Spec, u alg.Usage) (token.Object, crypto.PublicKey) {
		t.Helper()
		o, err := h.Generate(ctx, &token.Blueprint{Spec: s, Usage: u})
		if err != nil {
			t.Fatal(err)
		}
		public, err := x509.ParsePKIXPublicKey(o.Public)
		if err != nil && !s.Symmetric() {
			t.Fatal(err)
		}
		return o, public
	}
	message := []byte("message")
	digest := sha256.Sum256(message)
	t.Run("rsa", func(t *testing.T) {
		k, public := generate(alg.RSA2048, alg.SignVerify)
		signature, err := k.Use.Sign(ctx, alg.PKCS1SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, digest[:], signature); err != nil {
			t.Error(err)
		}
		_, err = k.Use.Decrypt(ctx, alg.OAEPSHA256, engine.CipherParameters{}, make([]byte, 256))
		wants(t, err, fault.InvalidArgument)
	})
	t.Run("oaep", func(t *testing.T) {
		k, public := generate(alg.RSA2048, alg.EncryptDecrypt)
		ct, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), message, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Use.Decrypt(ctx, alg.OAEPSHA256, engine.CipherParameters{}, ct); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%q %v", got, err)
		}
	})
	t.Run("ed25519", func(t *testing.T) {
		k, public := generate(alg.Ed25519, alg.SignVerify)
		signature, err := k.Use.Sign(ctx, alg.Ed25519Pure, message)
		if err != nil || !ed25519.Verify(public.(ed25519.PublicKey), message, signature) {
			t.Errorf("%x %v", signature, err)
		}
	})
	t.Run("ecdh", func(t *testing.T) {
		k, public := generate(alg.P256, alg.KeyAgreement)
		mine, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(mine.Public())
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := public.(*ecdsa.PublicKey).ECDH()
		if err != nil {
			t.Fatal(err)
		}
		want, err := mine.ECDH(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Use.Derive(ctx, spki); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x %v, want %x", got, err, want)
		}
	})
	t.Run("hmac", func(t *testing.T) {
		k, _ := generate(alg.HMAC256, alg.GenerateVerifyMAC)
		one, err := k.Use.MAC(ctx, alg.HMACSHA256, message)
		if err != nil || len(one) != 32 {
			t.Errorf("%x %v", one, err)
		}
		if len(k.CKAID) != 16 {
			t.Errorf("the CKA_ID of a secret key is %x", k.CKAID)
		}
	})
	t.Run("aes", func(t *testing.T) {
		k, _ := generate(alg.AES256, alg.RawEncryptDecrypt)
		for a, p := range map[alg.Algorithm]engine.CipherParameters{
			alg.AESGCMRaw: {IV: make([]byte, 12), AssociatedData: []byte("about"), TagBits: 96},
			alg.AESCBCPad: {IV: make([]byte, 16)},
			alg.AESKWP:    {},
		} {
			ct, err := k.Use.Encrypt(ctx, a, p, message)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.Use.Decrypt(ctx, a, p, ct); err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s: %q %v", a, got, err)
			}
		}
	})
	t.Run("random", func(t *testing.T) {
		b := make([]byte, 3*maxRandom/2)
		if err := h.Random(ctx, b); err != nil || bytes.Equal(b[maxRandom:], make([]byte, maxRandom/2)) {
			t.Errorf("%x %v", b, err)
		}
	})
}

// TestFresh: what others change is seen soon, and the last list stands when the
// server is gone.
func TestFresh(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	token := w.token(t, func(c *Config) { c.Fresh = time.Second })
	h := w.login(t, token, w.pin())
	if got := objects(t, h); len(got) != 0 {
		t.Fatalf("a new token has %v", got)
	}
	k, err := w.CreateKey(ctx, &client.CreateKeyRequest{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY", Alias: "alias/web"})
	if err != nil {
		t.Fatal(err)
	}
	if got := objects(t, h); len(got) != 0 {
		t.Errorf("within a second: %v", got)
	}
	w.pass(time.Second)
	if got := objects(t, h)["key web"]; got.ID != k.ID {
		t.Errorf("after it: %v", got)
	}
	if err := w.Tag(ctx, k.ID, client.Tag{Key: TagLabel, Value: "tagged"}); err != nil {
		t.Fatal(err)
	}
	w.pass(11 * time.Second)
	if got := objects(t, h)["key tagged"]; got.ID != k.ID {
		t.Errorf("tagged: %v", got)
	}
	if err := w.DisableKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	w.pass(11 * time.Second)
	if got := objects(t, h); len(got) != 0 {
		t.Errorf("disabled: %v", got)
	}
	if err := w.EnableKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	w.pass(11 * time.Second)
	if got := objects(t, h)["key tagged"]; got.ID != k.ID {
		t.Errorf("enabled: %v", got)
	}
	// Two applications with one credential share what is known.
	if other := w.login(t, token, w.pin()); len(objects(t, other)) != 1 || len(token.accounts) != 1 {
		t.Errorf("%d accounts", len(token.accounts))
	}
	if _, err := w.CreateKey(ctx, &client.CreateKeyRequest{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY", Alias: "alias/new"}); err != nil {
		t.Fatal(err)
	}
	if another := w.login(t, token, w.pin()); len(objects(t, another)) != 2 {
		t.Error("a program that begins does not find what was made before it")
	}
	w.stop()
	w.pass(2 * time.Second)
	if got := objects(t, h)["key tagged"]; got.ID != k.ID {
		t.Errorf("without a server: %v", got)
	}
	w.pass(staleAfter)
	_, err = h.Objects(ctx)
	wants(t, err, fault.Unavailable)
	_, err = token.Login(ctx, w.pin())
	wants(t, err, fault.Unavailable)
}

// TestChoice: a token of some keys shows and makes no others.
func TestChoice(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	for _, alias := range []string{"alias/web/1", "alias/web/2", "alias/db"} {
		if _, err := w.CreateKey(ctx, &client.CreateKeyRequest{
			Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY", Alias: alias, Tags: []client.Tag{{Key: "of", Value: strings.TrimPrefix(alias, "alias/")}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		choice Choice
		want   []string
		label  string // of a key that is made
		made   fault.Kind
	}{
		"pattern": {Choice{Keys: []string{"alias/web/*"}}, []string{"key web/1", "key web/2"}, "web/3", fault.Internal},
		"alias":   {Choice{Keys: []string{"alias/db"}}, []string{"key db"}, "mail", fault.PermissionDenied},
		"taken":   {Choice{Keys: []string{"alias/db"}}, []string{"key db"}, "db", fault.AlreadyExists},
		"tag":     {Choice{Tags: []client.Tag{{Key: "of", Value: "db"}}}, []string{"key db"}, "mail", fault.Internal},
		"none":    {Choice{Keys: []string{"alias/db"}, Tags: []client.Tag{{Key: "of", Value: "web/1"}}}, nil, "", fault.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			h := w.login(t, w.token(t, func(c *Config) { c.Choice = test.choice }), w.pin())
			if got := slices.Sorted(maps.Keys(objects(t, h))); !slices.Equal(got, test.want) {
				t.Errorf("the token has %q, want %q", got, test.want)
			}
			made, err := h.Generate(ctx, &token.Blueprint{Spec: alg.P256, Usage: alg.SignVerify, Label: test.label})
			if test.made != fault.Internal {
				wants(t, err, test.made)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w.pass(time.Minute)
			if got := objects(t, h)["key "+test.label]; got.ID != made.ID {
				t.Errorf("the key that was made is not shown: %v", objects(t, h))
			}
			if err := h.Destroy(ctx, made.ID); err != nil {
				t.Error(err)
			}
		})
	}
	for _, bad := range []Config{{Own: true, PIN: []byte("123")}, {PIN: []byte("1234")}} {
		bad.Label, bad.Server = "x", w.settings
		if _, err := New(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	if _, err := New(Config{Label: "x", Server: w.settings, Choice: Choice{Keys: []string{"alias/["}}}); err == nil {
		t.Error("a pattern that matches nothing is accepted")
	}
}

// TestLeastPrivilege: a credential sees what it may describe, and is told why
// it may not do more.
func TestLeastPrivilege(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	var arns []string
	for _, alias := range []string{"alias/mine", "alias/theirs"} {
		k, err := w.CreateKey(ctx, &client.CreateKeyRequest{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY", Alias: alias})
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, "arn:aws:kms:"+k.Region+":"+k.Realm+":key/"+k.ID)
	}
	pin := w.user(t, "web", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"},
		{"Effect":"Allow","Action":["kms:DescribeKey","kms:GetPublicKey","kms:Sign"],"Resource":"`+arns[0]+`"}]}`)
	h := w.login(t, w.token(t, nil), pin)
	all := objects(t, h)
	if len(all) != 1 {
		t.Fatalf("it sees %v", all)
	}
	for label, o := range all {
		if label != "key "+o.ID { // it may not list aliases
			t.Errorf("%q is %s", label, o.ID)
		}
		digest := sha256.Sum256([]byte("m"))
		if _, err := o.Use.Sign(ctx, alg.ECDSASHA256, digest[:]); err != nil {
			t.Error(err)
		}
		wants(t, h.Destroy(ctx, o.ID), fault.PermissionDenied)
	}
	_, err := h.Generate(ctx, &token.Blueprint{Spec: alg.P256, Usage: alg.SignVerify, Label: "more"})
	wants(t, err, fault.PermissionDenied)
}
