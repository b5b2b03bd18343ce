package keyless_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/approval"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// house is a Holdfast with everything that a key server needs.
type house struct {
	t         testing.TB
	log       *audit.Memory
	door      *kms.Service
	directory *identity.Directory
	admin     *identity.Admin
	approvals *approval.Service
	certs     *shelf
	store     *keyless.Store
	root      *identity.NewAccessKey // the administrator's
	config    keyless.StoreConfig
}

// shelf are certificates, and who issued clients'.
type shelf struct {
	mu      sync.Mutex // guards what follows
	named   map[string][][]byte
	ids     map[string][]byte
	revoked error
	asked   int
}

func (s *shelf) Named(_ context.Context, _ key.RealmID, server string) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.named[server], nil
}

func (s *shelf) Identified(_ context.Context, _ key.RealmID, id string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id], nil
}

func (s *shelf) IssuerOf(context.Context, *x509.Certificate) (string, key.RealmID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "", "", s.revoked
}

func (s *shelf) revoke(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = err
}

const everything = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

func newHouse(t testing.TB, rules ...approval.Rule) *house {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	compile := func(kind policy.Kind) func(key.Document) (*policy.Policy, error) {
		return func(d key.Document) (*policy.Policy, error) {
			return policy.Compile([]byte(d.Text), kind, aws.Vocabulary())
		}
	}
	h := &house{t: t, log: audit.NewMemory(10_000), certs: &shelf{named: map[string][][]byte{}, ids: map[string][]byte{}}}
	root, err := seal.Ephemeral()
	must(err)
	store := mem.New()
	h.directory, err = identity.Open(ctx, identity.Config{Root: root, Store: store, Compile: compile(policy.ForIdentity), CompileTrust: compile(policy.ForTrust)})
	must(err)
	gate, err := approval.NewGate(approval.Config{Store: store, Key: make([]byte, 32), Rules: rules})
	must(err)
	g := guard.Gated(h.log, h.directory, gate)
	h.admin, h.approvals = identity.NewAdmin(h.directory, g), approval.New(gate, g)
	engine, err := soft.New(seal.NewKeyring(root, store), soft.Options{})
	must(err)
	t.Cleanup(func() { must(engine.Close()) })
	h.door, err = kms.New(ctx, kms.Config{
		Guard: g, Store: store, Engine: engine, Compile: compile(policy.ForResource), DefaultPolicy: aws.DefaultKeyPolicy,
	})
	must(err)
	h.root, err = h.admin.Bootstrap(ctx, h.call("Bootstrap"), "admin", key.Document{Dialect: aws.Dialect, Text: everything}, nil)
	must(err)
	h.config = keyless.StoreConfig{
		Door: h.door, Directory: h.directory, Issuers: h.certs, Certificates: h.certs, Region: "us-east-1", SealKey: "alias/seal",
	}
	h.store = keyless.NewStore(h.config)
	return h
}

// call is one of the realm's root.
func (h *house) call(operation string) *key.Call {
	return &key.Call{
		Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.Root}}, Region: "us-east-1", Operation: operation, Time: time.Now(),
	}
}

// client makes a user who may do what the policy says, and the certificate that
// proves it.
func (h *house) client(name, document string) *tls.Certificate {
	h.t.Helper()
	ctx := h.t.Context()
	if _, err := h.admin.CreateUser(ctx, h.call("CreateUser"), name); err != nil {
		h.t.Fatal(err)
	}
	if document != "" {
		if err := h.admin.PutUserPolicy(ctx, h.call("PutUserPolicy"), name, "p", key.Document{Dialect: aws.Dialect, Text: document}); err != nil {
			h.t.Fatal(err)
		}
	}
	c := certify(h.t, name)
	hash := identity.CertificateHash(c.Leaf)[len("sha256:"):]
	if _, err := h.admin.PutClientCertificate(ctx, h.call("PutClientCertificate"), &identity.NewClientCertificate{User: name, SHA256: hash}); err != nil {
		h.t.Fatal(err)
	}
	return &c
}

// key makes a key and returns its public half, nil for none.
func (h *house) key(spec alg.Spec, usage alg.Usage, alias string) (public any) {
	h.t.Helper()
	k, err := h.door.CreateKey(h.t.Context(), h.call("CreateKey"), &kms.CreateKeyRequest{Spec: spec, Usage: usage, Alias: alias})
	if err != nil {
		h.t.Fatal(err)
	}
	if !spec.Symmetric() {
		if public, err = x509.ParsePKIXPublicKey(k.Current().Public); err != nil {
			h.t.Fatal(err)
		}
	}
	return public
}

// skiOf returns what a key is found by.
func skiOf(t testing.TB, public any) []byte {
	t.Helper()
	ski, err := wire.SKI(public)
	if err != nil {
		t.Fatal(err)
	}
	return ski[:]
}

// entries returns the audit entries of the API.
func (h *house) entries() []audit.Entry {
	h.t.Helper()
	var list []audit.Entry
	for r, err := range h.log.Read(h.t.Context(), audit.Filter{}) {
		if err != nil {
			h.t.Fatal(err)
		}
		if r.Entry.API == keyless.API {
			list = append(list, r.Entry)
		}
	}
	return list
}

// TestNames: a key is found by whatever name of it a packet has.
func TestNames(t *testing.T) {
	h := newHouse(t)
	p := serve(t, h.store, keyless.Limits{}).dial(t, h.client("edge", everything))
	public := h.key(alg.P256, alg.SignVerify, "")
	modulus := h.key(alg.RSA2048, alg.SignVerify, "")
	spki := func(public any) []byte {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	h.certs.named["www.example.com"] = [][]byte{spki(modulus), spki(public)}
	h.certs.ids["certificate"] = spki(public)
	digest := make([]byte, 32)
	_, _ = rand.Read(digest)
	for name, o := range map[string]*wire.Operation{
		"SKI":                     {SKI: skiOf(t, public)},
		"certificate":             {CertID: []byte("certificate")},
		"SNI":                     {SNI: []byte("WWW.example.com.")},
		"SKI before SNI":          {SKI: skiOf(t, public), SNI: []byte("other")},
		"SNI after an unknown id": {SKI: make([]byte, 20), CertID: []byte("none"), SNI: []byte("www.example.com")},
	} {
		o.Opcode, o.Payload = wire.OpECDSASignSHA256, digest
		if signature := p.want(o); !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest, signature) {
			t.Errorf("by %s: the signature is wrong", name)
		}
	}
	hash := wire.Digest(modulus.(*rsa.PublicKey))
	p.want(&wire.Operation{Opcode: wire.OpRSASignSHA256, Digest: hash[:], Payload: digest})
	p.want(&wire.Operation{Opcode: wire.OpRSASignSHA256, SNI: []byte("www.example.com"), Payload: digest})
	if h.certs.asked > 3 {
		t.Errorf("certificates are looked for %d times", h.certs.asked)
	}
	p.fails(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: make([]byte, 20), Payload: digest}, wire.ErrKeyNotFound)
	p.fails(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SNI: []byte("none.example.com"), Payload: digest}, wire.ErrCertificateNotFound)
	p.fails(&wire.Operation{Opcode: wire.OpECDSASignSHA256, Payload: digest}, wire.ErrFormat)
	p.fails(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, modulus), Payload: digest}, wire.ErrCrypto)
	p.fails(&wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, public), Payload: digest[:31]}, wire.ErrFormat)
}

// TestAccessKey: a connection without a certificate binds itself to a caller.
func TestAccessKey(t *testing.T) {
	h := newHouse(t)
	p := serve(t, h.store, keyless.Limits{}).dial(t, nil)
	public := h.key(alg.P256, alg.SignVerify, "")
	sign := &wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, public), Payload: make([]byte, 32)}
	if a := p.ask(&wire.Operation{Opcode: wire.OpPing, Payload: []byte("x")}); a.Opcode != wire.OpPong || string(a.Payload) != "x" {
		t.Errorf("%s %q", a.Opcode, a.Payload)
	}
	p.fails(sign, wire.ErrUnexpectedOpcode)
	credential := func(id, secret string) *wire.Operation {
		b, err := json.Marshal(keyless.Credential{AccessKeyID: id, SecretAccessKey: secret})
		if err != nil {
			t.Fatal(err)
		}
		return &wire.Operation{Opcode: wire.OpCustom, Function: []byte(keyless.Authenticate), Payload: b}
	}
	p.fails(credential(h.root.ID, "wrong"), wire.ErrUnexpectedOpcode)
	if payload := p.want(credential(h.root.ID, h.root.Secret)); len(payload) != 0 {
		t.Errorf("%x", payload)
	}
	p.want(sign)
	p.fails(credential(h.root.ID, h.root.Secret), wire.ErrUnexpectedOpcode)
}

// rsaep is RSAEP (RFC 8017 section 5.1.1).
func rsaep(k *rsa.PublicKey, m []byte) []byte {
	c := new(big.Int).Exp(new(big.Int).SetBytes(m), big.NewInt(int64(k.E)), k.N)
	return c.FillBytes(make([]byte, k.Size()))
}

// TestPolicies: who may use which key is what policies say, and the answer does
// not tell which keys there are.
func TestPolicies(t *testing.T) {
	h := newHouse(t)
	r := serve(t, h.store, keyless.Limits{})
	mine, other := h.key(alg.P256, alg.SignVerify, "alias/mine"), h.key(alg.P256, alg.SignVerify, "alias/other")
	sign := func(public any) *wire.Operation {
		return &wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, public), Payload: make([]byte, 32)}
	}
	k, err := h.door.DescribeKey(t.Context(), h.call("DescribeKey"), kms.Ref{Alias: "alias/mine"})
	if err != nil {
		t.Fatal(err)
	}
	arn := aws.KeyARN(k.Name)
	p := r.dial(t, h.client("web", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Sign","Resource":"`+arn+`"}}`))
	p.want(sign(mine))
	p.fails(sign(other), wire.ErrKeyNotFound)
	r.dial(t, h.client("nobody", "")).fails(sign(mine), wire.ErrKeyNotFound)
	entries := h.entries()
	if len(entries) != 3 || entries[0].Operation != "ecdsa-sign-sha256" || entries[0].Result != "ok" || entries[0].Principal != "123456789012:user:web" ||
		entries[0].Method != identity.MethodMTLS || entries[0].RequestID == "" || entries[1].Result != "permission denied" || entries[2].Principal != "123456789012:user:nobody" {
		t.Errorf("%+v", entries)
	}
	if err := h.door.DisableKey(t.Context(), h.call("DisableKey"), kms.Ref{Alias: "alias/mine"}); err != nil {
		t.Fatal(err)
	}
	p.fails(sign(mine), wire.ErrKeyNotFound)
}

// TestRevocation: a certificate that is revoked, and a user who is gone, are
// nobody's on connections that are open too.
func TestRevocation(t *testing.T) {
	h := newHouse(t)
	var elapsed atomic.Int64
	h.config.Now = func() time.Time { return time.Now().Add(time.Duration(elapsed.Load())) }
	h.store = keyless.NewStore(h.config)
	p := serve(t, h.store, keyless.Limits{}).dial(t, h.client("web", everything))
	sign := &wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, h.key(alg.P256, alg.SignVerify, "")), Payload: make([]byte, 32)}
	p.want(sign)
	h.certs.revoke(fault.Because(fault.Unauthenticated, fault.DisabledCredential, "it is revoked"))
	elapsed.Add(int64(2 * time.Second)) // it is believed for a second
	p.fails(sign, wire.ErrUnexpectedOpcode)
	h.certs.revoke(nil)
	p.want(sign)
	if err := h.admin.DeleteUser(t.Context(), h.call("DeleteUser"), "web"); err != nil {
		t.Fatal(err)
	}
	elapsed.Add(int64(2 * time.Second))
	p.fails(sign, wire.ErrUnexpectedOpcode)
	last := h.entries()[len(h.entries())-1]
	if last.Result != "unauthenticated" || !strings.HasPrefix(last.Credential, "sha256:") {
		t.Errorf("%+v", last)
	}
}

// TestApproval: an operation that somebody else has to approve is refused, and
// done once it is approved.
func TestApproval(t *testing.T) {
	h := newHouse(t, approval.Rule{
		Name: "root", Actions: []string{"key:Sign"}, Resources: []string{"*"}, Require: approval.Others, Count: 1, Expires: time.Hour, Valid: time.Hour,
	})
	p := serve(t, h.store, keyless.Limits{}).dial(t, h.client("web", everything))
	sign := &wire.Operation{Opcode: wire.OpECDSASignSHA256, SKI: skiOf(t, h.key(alg.P256, alg.SignVerify, "")), Payload: bytes.Repeat([]byte{1}, 32)}
	p.fails(sign, wire.ErrKeyNotFound)
	id := ""
	for _, d := range h.entries()[0].Details {
		if d.Name == "approval" {
			id = d.Value
		}
	}
	as := func(user string) *key.Call {
		call := h.call("Approve")
		call.Caller = key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: user}}
		u, err := h.admin.User(t.Context(), h.call("User"), user)
		if err != nil {
			t.Fatal(err)
		}
		call.Caller.UserID = u.ID
		return call
	}
	if _, err := h.approvals.File(t.Context(), as("web"), id, "a handshake"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.approvals.Decide(t.Context(), as("admin"), id, true, ""); err != nil {
		t.Fatal(err)
	}
	other := *sign
	other.Payload = bytes.Repeat([]byte{2}, 32)
	p.fails(&other, wire.ErrKeyNotFound)
	p.want(sign)
	p.fails(sign, wire.ErrKeyNotFound)
}
