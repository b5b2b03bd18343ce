package remote

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// signed returns a certificate for a key of the token, signed by itself.
func (w *world) signed(t *testing.T, id, common string, notBefore time.Time) []byte {
	t.Helper()
	s, err := w.Signer(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(notBefore.Unix()), Subject: pkix.Name{CommonName: common}, NotBefore: notBefore, NotAfter: notBefore.Add(90 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.Public(), s)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issued returns a certificate of an authority here for a key of the token.
func (w *world) issued(t *testing.T, id, common string) []byte {
	t.Helper()
	c, err := w.Issue(t.Context(), &client.IssueRequest{
		Authority: "root", Profile: "tls-server", Key: id, Subject: client.Subject{CommonName: common}, Names: client.Names{DNS: []string{common}},
	})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(c.Certificate.Certificate))
	return block.Bytes
}

// TestCertificates: those that a key has, and those that applications write.
func TestCertificates(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	root, err := w.CreateAuthority(ctx, &client.CreateAuthorityRequest{Name: "root", NewKey: "ECC_NIST_P256", Subject: client.Subject{CommonName: "Root"}})
	if err != nil {
		t.Fatal(err)
	}
	authority := "key " + root.KeyID
	h := w.login(t, w.token(t, nil), w.pin())
	k, err := h.Generate(ctx, &token.Blueprint{Spec: alg.P256, Usage: alg.SignVerify, Label: "web", CKAID: []byte{7}})
	if err != nil {
		t.Fatal(err)
	}
	has := func(want ...string) map[string]token.Object {
		t.Helper()
		w.pass(time.Minute)
		all := objects(t, h)
		if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
			t.Errorf("the token has %q, want %q", got, want)
		}
		return all
	}
	now := time.Now().Truncate(time.Second)
	first := w.signed(t, k.ID, "web", now)
	temporary, err := h.AddCertificate(ctx, &token.Blueprint{Label: "", CKAID: nil}, first)
	if err != nil {
		t.Fatal(err)
	}
	if temporary.Label != "web" || !bytes.Equal(temporary.CKAID, []byte{7}) || !bytes.Equal(temporary.Certificate, first) {
		t.Errorf("%+v", temporary)
	}
	has("certificate web", authority, "key web")
	// An authority's goes before it, and stays when the other is destroyed.
	second := w.issued(t, k.ID, "web.example.com")
	all := has("certificate web", "certificate web'", authority, "key web")
	if !bytes.Equal(all["certificate web"].Certificate, second) {
		t.Error("the authority's certificate is not the first")
	}
	if err := h.Destroy(ctx, temporary.ID); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, h); len(got) != 3 {
		t.Errorf("%v", got)
	}
	all = has("certificate web", authority, "key web")
	wants(t, h.Destroy(ctx, all["certificate web"].ID), fault.Unsupported)
	// A newer one takes its place, and with a name of its own both are there.
	third := w.issued(t, k.ID, "web.example.com")
	all = has("certificate web", authority, "key web")
	if got := all["certificate web"].Certificate; !bytes.Equal(got, second) && !bytes.Equal(got, third) {
		t.Error("the certificate is another one")
	}
	named, err := h.AddCertificate(ctx, &token.Blueprint{Label: "mine", CKAID: []byte{8}}, w.signed(t, k.ID, "mine", now.Add(time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	if named.Label != "mine" || !bytes.Equal(named.CKAID, []byte{8}) {
		t.Errorf("%+v", named)
	}
	has("certificate mine", "certificate web", authority, "key web")
	if err := h.Rename(ctx, named.ID, "renamed", []byte{9}); err != nil {
		t.Fatal(err)
	}
	has("certificate renamed", "certificate web", authority, "key web")
	every := w.login(t, w.token(t, func(c *Config) { c.AllCertificates = true }), w.pin())
	if got := slices.Sorted(maps.Keys(objects(t, every))); len(got) != 5 {
		t.Errorf("all certificates: %q", got)
	}
}

// TestStranger: a certificate whose key is nobody's here, such as an
// authority's elsewhere.
func TestStranger(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	h := w.login(t, w.token(t, nil), w.pin())
	gone, err := w.CreateKey(ctx, &client.CreateKeyRequest{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY"})
	if err != nil {
		t.Fatal(err)
	}
	der := w.signed(t, gone.ID, "Root", time.Now())
	if _, err := w.ScheduleDeletion(ctx, gone.ID, 7); err != nil {
		t.Fatal(err)
	}
	c, err := h.AddCertificate(ctx, &token.Blueprint{Label: "a root: ours / 1", CKAID: []byte("root")}, der)
	if err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if got := objects(t, h)["certificate a root: ours / 1"]; got.ID != c.ID || string(got.CKAID) != "root" {
		t.Errorf("%+v", got)
	}
	if err := h.Rename(ctx, c.ID, "other", nil); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if got := objects(t, h)["certificate other"]; got.ID != c.ID || len(got.CKAID) != 0 {
		t.Errorf("%+v", got)
	}
	if err := h.Destroy(ctx, c.ID); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if got := objects(t, h); len(got) != 0 {
		t.Errorf("%v", got)
	}
	wants(t, h.Destroy(ctx, c.ID), fault.NotFound)
	_, err = h.AddCertificate(ctx, &token.Blueprint{}, []byte("no certificate"))
	wants(t, err, fault.InvalidArgument)
	_, err = h.AddCertificate(ctx, &token.Blueprint{}, append(slices.Clone(der), der...))
	wants(t, err, fault.InvalidArgument)
}

// FuzzPlace: the names of a certificate that are kept read back as the same.
func FuzzPlace(f *testing.F) {
	f.Add("web", []byte{1})
	f.Add("", []byte(nil))
	f.Add("a/b:c %2f;", []byte("id"))
	f.Fuzz(func(t *testing.T, label string, id []byte) {
		place := placeOf(label, id)
		rest := place[len(placeMark):]
		gotLabel, gotID := parsePlace(rest)
		if gotLabel != label || !bytes.Equal(gotID, id) {
			t.Errorf("%q: %q %x, want %q %x", place, gotLabel, gotID, label, id)
		}
	})
}
