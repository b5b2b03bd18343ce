package keyserver_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	"github.com/holdfast-kms/holdfast/internal/keyserver"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// makeKeys makes key files in each of the forms that users have: SEC1, PKCS #1
// and PKCS #8.
func (w *world) makeKeys() {
	w.write("keys/notes.txt", []byte("no key"))
	w.openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "keys/p256.key")
	w.openssl("genrsa", "-traditional", "-out", "keys/rsa.key", "2048")
	w.openssl("genpkey", "-algorithm", "ed25519", "-out", "keys/ed25519.pem")
	w.openssl("req", "-x509", "-new", "-key", "keys/p256.key", "-subj", "/CN=web", "-addext", "subjectAltName=DNS:www.example.com,DNS:*.shop.example.com", "-out", "keys/web.crt")
	for _, name := range []string{"p256.key", "rsa.key", "ed25519.pem"} {
		if err := os.Chmod(filepath.Join(w.dir, "keys", name), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestEveryOperation does everything that the protocol has, with keys in files,
// and has openssl, or crypto where openssl has no word for it, verify it.
func TestEveryOperation(t *testing.T) {
	w := newWorld(t)
	w.makeKeys()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	w.write("seal.key", secret)
	r := w.serve("private_key_stores: [{dir: keys}, {file: keys/rsa.key}]\nseal_key: 'file://" + w.dir + "/seal.key'\n")
	p := r.dial(w.certificate("edge", &w.ca))
	files := map[wire.Scheme]string{wire.PKCS1: "keys/rsa.key", wire.PSS: "keys/rsa.key", wire.ECDSA: "keys/p256.key", wire.Ed25519: "keys/ed25519.pem"}
	done := 0
	for _, o := range keyless.Operations() {
		file, ok := files[o.Opcode.Scheme()]
		if !ok {
			continue
		}
		done++
		payload := make([]byte, 100)
		if h := o.Opcode.Hash(); h != 0 {
			payload = payload[:h.Size()]
		}
		_, _ = rand.Read(payload)
		public := w.public(file)
		signature := p.want(&wire.Operation{Opcode: o.Opcode, SKI: skiOf(t, public), Payload: payload})
		switch k := public.(type) {
		case ed25519.PublicKey:
			ok = ed25519.Verify(k, payload, signature)
		case *ecdsa.PublicKey:
			ok = ecdsa.VerifyASN1(k, payload, signature)
		case *rsa.PublicKey:
			w.verify(file, o.Opcode, payload, signature)
		}
		if !ok {
			t.Errorf("%s: the signature is wrong", o.Name())
		}
	}
	if done != 16 {
		t.Errorf("%d signatures", done)
	}
	w.decrypts(p)
	sealed := p.want(&wire.Operation{Opcode: wire.OpSeal, Payload: []byte("ticket key")})
	if got := p.want(&wire.Operation{Opcode: wire.OpUnseal, Payload: sealed}); string(got) != "ticket key" {
		t.Errorf("%q", got)
	}
	p.fails(&wire.Operation{Opcode: wire.OpUnseal, Payload: sealed[1:]}, wire.ErrCrypto)
	p.fails(&wire.Operation{Opcode: wire.OpCustom, Function: []byte(keyless.Authenticate)}, wire.ErrBadOpcode)
}

// verify has openssl verify an RSA signature.
func (w *world) verify(file string, o wire.Opcode, digest, signature []byte) {
	w.t.Helper()
	w.write("digest", digest)
	w.write("signature", signature)
	args := []string{"pkeyutl", "-verify", "-inkey", file, "-in", "digest", "-sigfile", "signature"}
	args = append(args, "-pkeyopt", "digest:"+strings.ReplaceAll(strings.ToLower(o.Hash().String()), "sha-", "sha"))
	if o.Hash() == crypto.MD5SHA1 {
		args[len(args)-1] = "digest:md5-sha1"
	}
	if o.Scheme() == wire.PSS {
		args = append(args, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
	}
	w.openssl(args...)
}

// decrypts has the server decrypt what openssl encrypted.
func (w *world) decrypts(p *peer) {
	secret := append([]byte{3, 3}, bytes.Repeat([]byte{9}, 46)...)
	w.write("secret", secret)
	w.openssl("pkeyutl", "-encrypt", "-inkey", "keys/rsa.key", "-in", "secret", "-out", "secret.enc")
	c, err := os.ReadFile(filepath.Join(w.dir, "secret.enc"))
	if err != nil {
		w.t.Fatal(err)
	}
	ski := skiOf(w.t, w.public("keys/rsa.key"))
	if got := p.want(&wire.Operation{Opcode: wire.OpRSADecrypt, SKI: ski, Payload: c}); !bytes.Equal(got, secret) {
		w.t.Errorf("%x", got)
	}
	if got := p.want(&wire.Operation{Opcode: wire.OpRSARawDecrypt, SKI: ski, Payload: c}); len(got) != 256 || !bytes.HasSuffix(got, secret) {
		w.t.Errorf("%x", got)
	}
}

// TestNames: a key is found by whatever a certificate beside it says.
func TestNames(t *testing.T) {
	w := newWorld(t)
	w.makeKeys()
	p := w.serve("private_key_stores: [{dir: keys}]\n").dial(w.certificate("edge", &w.ca))
	text, err := os.ReadFile(filepath.Join(w.dir, "keys", "web.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	sum := sha256.Sum256(block.Bytes)
	digest := wire.Digest(w.public("keys/rsa.key").(*rsa.PublicKey))
	payload := make([]byte, 32)
	p.want(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SNI: []byte("WWW.example.com"), Payload: payload})
	p.want(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SNI: []byte("a.shop.example.com"), Payload: payload})
	p.want(&wire.Operation{Opcode: wire.OpECDSASignSHA256, CertID: []byte(hex.EncodeToString(sum[:])), Payload: payload})
	p.want(&wire.Operation{Opcode: wire.OpRSASignSHA256, Digest: digest[:], Payload: payload})
	p.fails(&wire.Operation{Opcode: wire.OpRSASignSHA256, SNI: []byte("www.example.com"), Payload: payload}, wire.ErrCertificateNotFound)
	p.fails(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: make([]byte, 20), Payload: payload}, wire.ErrKeyNotFound)
}

// TestClients: who has no certificate of the authorities does not get in, and
// rules say who of the others may use what. All of it is on record.
func TestClients(t *testing.T) {
	w := newWorld(t)
	w.makeKeys()
	r := w.serve("private_key_stores: [{dir: keys}]\naudit_dir: record\nallow:\n- {clients: [web], keys: ['" + w.dir + "/keys/p256.key']}\n- {clients: [Edge], keys: ['*']}\n")
	if p, err := r.tryDial(w.certificate("stranger", nil)); err == nil {
		if _, err := p.exchange(&wire.Operation{Opcode: wire.OpPing}); err == nil {
			t.Error("a certificate of nobody's is taken")
		}
	}
	sign := func(o wire.Opcode, file string) *wire.Operation {
		return &wire.Operation{Opcode: o, SKI: skiOf(t, w.public(file)), Payload: make([]byte, 32)}
	}
	web, edge, other := r.dial(w.certificate("web", &w.ca)), r.dial(w.certificate("edge", &w.ca)), r.dial(w.certificate("other", &w.ca))
	web.want(sign(wire.OpECDSASignSHA256, "keys/p256.key"))
	web.fails(sign(wire.OpRSASignSHA256, "keys/rsa.key"), wire.ErrKeyNotFound)
	edge.want(sign(wire.OpRSASignSHA256, "keys/rsa.key"))
	other.fails(sign(wire.OpECDSASignSHA256, "keys/p256.key"), wire.ErrKeyNotFound)
	r.stop()
	report, err := audit.Verify(filepath.Join(w.dir, "record", "audit"), w.auditKey())
	if err != nil || report.Entries != 4 {
		t.Errorf("%+v, %v", report, err)
	}
	if strings.Contains(w.log.String(), "NOTHING IS ON RECORD") {
		t.Error("the log says that nothing is on record")
	}
}

// TestReload: keys, certificates and rules are read again, and a mistake leaves
// all as it was.
func TestReload(t *testing.T) {
	w := newWorld(t)
	w.makeKeys()
	r := w.serve("private_key_stores: [{dir: keys}]\npid_file: pid\n")
	p := r.dial(w.certificate("edge", &w.ca))
	w.openssl("ecparam", "-genkey", "-name", "secp384r1", "-noout", "-out", "keys/new.key")
	if err := os.Chmod(filepath.Join(w.dir, "keys", "new.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	sign := &wire.Operation{Opcode: wire.OpECDSASignSHA384, SKI: skiOf(t, w.public("keys/new.key")), Payload: make([]byte, 48)}
	p.fails(sign, wire.ErrKeyNotFound)
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.want(sign)
	w.write("keys/broken.key", []byte("-----BEGIN PRIVATE KEY-----\n"))
	if err := r.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), "broken.key") {
		t.Errorf("%v", err)
	}
	p.want(sign)
	r.stop()
	if _, err := os.Stat(filepath.Join(w.dir, "pid")); err == nil {
		t.Error("the file with the process's id is left behind")
	}
}

// TestToken: keys in an HSM, as a gokeyless.yaml names them.
func TestToken(t *testing.T) {
	w := newWorld(t)
	env, err := pkcs11test.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	library := pkcs11test.Library(t)
	w.makeKeys()
	w.run("softhsm2-util", "--init-token", "--free", "--label", "tls", "--so-pin", pkcs11test.SOPIN, "--pin", pkcs11test.PIN)
	for label, file := range map[string]string{"ec": "p256.key", "rsa": "rsa.key"} {
		w.openssl("pkcs8", "-topk8", "-nocrypt", "-in", "keys/"+file, "-out", "keys/pkcs8")
		w.run("softhsm2-util", "--import", "keys/pkcs8", "--token", "tls", "--label", label, "--id", map[string]string{"ec": "01", "rsa": "02"}[label], "--pin", pkcs11test.PIN)
	}
	r := w.serve("private_key_stores:\n" +
		"- uri: pkcs11:token=tls;object=ec?module-path=" + library + "&pin-value=" + pkcs11test.PIN + "&max-sessions=4\n" +
		"- uri: pkcs11:token=tls;object=rsa?module-path=" + library + "&pin-value=" + pkcs11test.PIN + "&max-sessions=4\n")
	p := r.dial(w.certificate("edge", &w.ca))
	digest := make([]byte, 32)
	ec := w.public("keys/p256.key").(*ecdsa.PublicKey)
	if s := p.want(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, ec), Payload: digest}); !ecdsa.VerifyASN1(ec, digest, s) {
		t.Error("the ECDSA signature is wrong")
	}
	for _, o := range []wire.Opcode{wire.OpRSASignSHA256, wire.OpRSAPSSSignSHA256, wire.OpRSASignMD5SHA1} {
		digest := make([]byte, o.Hash().Size())
		w.verify("keys/rsa.key", o, digest, p.want(&wire.Operation{Opcode: o, SKI: skiOf(t, w.public("keys/rsa.key")), Payload: digest}))
	}
	w.decrypts(p)
	if strings.Contains(w.log.String(), pkcs11test.PIN) {
		t.Error("the PIN is in the log")
	}
}

// run runs a program in the folder.
func (w *world) run(name string, args ...string) {
	w.t.Helper()
	if out, err := w.command(name, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// TestMetrics: the figures are shown.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.makeKeys()
	r := w.serve("private_key_stores: [{dir: keys}]\nmetrics_listen: 127.0.0.1:0\n")
	r.dial(w.certificate("edge", &w.ca)).want(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, w.public("keys/p256.key")), Payload: make([]byte, 32)})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.MetricsAddr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`holdfast_requests_total{api="keyless",code="ok",operation="ecdsa-sign-sha256"} 1`, `holdfast_keyless_connections{api="keyless"} 1`,
		`holdfast_keyless_queued{lane="rsa"} 0`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

// TestRefusals: a server that cannot serve all of its keys does not start.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.makeKeys()
	w.write("readable.key", []byte(w.openssl("genpkey", "-algorithm", "ed25519")))
	if err := os.Chmod(filepath.Join(w.dir, "readable.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.write("empty/readme.txt", nil)
	for text, want := range map[string]string{
		"private_key_stores: [{file: none.key}]":                                 "none.key",
		"private_key_stores: [{dir: empty}]":                                     "there is no key in them",
		"private_key_stores: [{file: readable.key}]":                             "chmod 600",
		"private_key_stores: [{file: keys/web.crt}]":                             "no private key",
		"private_key_stores: [{dir: keys}]\nauth_key: keys/rsa.key":              "auth_cert and auth_key",
		"private_key_stores: [{dir: keys}]\ncloudflare_ca_cert: keys/rsa.key":    "has no certificate",
		"private_key_stores: [{dir: keys}]\nseal_key: 'file:///none'":            "seal_key",
		"private_key_stores: [{uri: 'pkcs11:token=t;object=o?module-path=/no'}]": "PKCS #11 library",
	} {
		err := keyserver.Check(t.Context(), w.options(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
