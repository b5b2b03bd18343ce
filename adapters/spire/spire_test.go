package spire_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	"github.com/spiffe/spire-plugin-sdk/plugintest"
	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/adapters/spire"
	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/test/compat"
)

// Example is the program of the plug-in.
func Example() {
	p := spire.New(holdfast.WithTimeout(10 * time.Second))
	// pluginmain.Serve(keymanagerv1.KeyManagerPluginServer(p), configv1.ConfigServiceServer(p))
	fmt.Println(p.Close())
	// Output: <nil>
}

// manager is the plug-in as the SPIRE server has it.
type manager struct {
	*keymanagerv1.KeyManagerPluginClient
	*configv1.ConfigServiceClient
}

// serve runs a plug-in over gRPC by the SDK's own test server.
func serve(t *testing.T) manager {
	t.Helper()
	p := spire.New()
	m := manager{new(keymanagerv1.KeyManagerPluginClient), new(configv1.ConfigServiceClient)}
	plugintest.ServeInBackground(t, plugintest.Config{
		PluginServer: keymanagerv1.KeyManagerPluginServer(p), PluginClient: m.KeyManagerPluginClient,
		ServiceServers: []pluginsdk.ServiceServer{configv1.ConfigServiceServer(p)}, ServiceClients: []pluginsdk.ServiceClient{m.ConfigServiceClient},
	})
	return m
}

// configure gives a plug-in its configuration.
func (m manager) configure(t *testing.T, hcl string) error {
	t.Helper()
	_, err := m.Configure(t.Context(), &configv1.ConfigureRequest{
		CoreConfiguration: &configv1.CoreConfiguration{TrustDomain: "example.org"}, HclConfiguration: hcl,
	})
	return err
}

// start runs a plug-in with the keys of a place.
func start(t *testing.T, hcl string) manager {
	t.Helper()
	m := serve(t)
	if err := m.configure(t, hcl); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m manager) generate(t *testing.T, id string, kind keymanagerv1.KeyType) *keymanagerv1.PublicKey {
	t.Helper()
	resp, err := m.GenerateKey(t.Context(), &keymanagerv1.GenerateKeyRequest{KeyId: id, KeyType: kind})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetPublicKey()
}

// signer is a key as the SPIRE server uses it.
type signer struct {
	t      *testing.T
	m      manager
	public *keymanagerv1.PublicKey
}

func (s *signer) Public() crypto.PublicKey {
	p, err := x509.ParsePKIXPublicKey(s.public.GetPkixData())
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	req := &keymanagerv1.SignDataRequest{KeyId: s.public.GetId(), Data: digest}
	hash := keymanagerv1.HashAlgorithm(opts.HashFunc()) // the protocol has Go's numbers
	if pss, ok := opts.(*rsa.PSSOptions); ok {
		req.SignerOpts = &keymanagerv1.SignDataRequest_PssOptions{
			PssOptions: &keymanagerv1.SignDataRequest_PSSOptions{HashAlgorithm: hash, SaltLength: int32(pss.SaltLength)},
		}
	} else {
		req.SignerOpts = &keymanagerv1.SignDataRequest_HashAlgorithm{HashAlgorithm: hash}
	}
	resp, err := s.m.SignData(s.t.Context(), req)
	if err != nil {
		return nil, err
	}
	if resp.GetKeyFingerprint() != s.public.GetFingerprint() {
		s.t.Errorf("signed with %s and not %s", resp.GetKeyFingerprint(), s.public.GetFingerprint())
	}
	return resp.GetSignature(), nil
}

// certify makes an authority's certificate and one below it, as SPIRE does.
func certify(t *testing.T, s *signer, algorithm x509.SignatureAlgorithm) {
	t.Helper()
	id := func(path string) []*url.URL { return []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: path}} }
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "SPIRE"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, URIs: id(""), SignatureAlgorithm: algorithm,
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), URIs: id("/workload"), SignatureAlgorithm: algorithm}
	for _, template := range []*x509.Certificate{ca, leaf} {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, s.Public(), s)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if err := made.CheckSignature(algorithm, made.RawTBSCertificate, made.Signature); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// kind is a key that SPIRE makes, with the ways in which it signs with it.
type kind struct {
	id         string
	kind       keymanagerv1.KeyType
	algorithms []x509.SignatureAlgorithm
}

// kinds are all that SPIRE has.
var kinds = []kind{
	{"x509-CA-A", keymanagerv1.KeyType_EC_P256, []x509.SignatureAlgorithm{x509.ECDSAWithSHA256}},
	{"x509-CA-B", keymanagerv1.KeyType_EC_P384, []x509.SignatureAlgorithm{x509.ECDSAWithSHA384}},
	{"JWT-Signer-A", keymanagerv1.KeyType_RSA_2048, []x509.SignatureAlgorithm{
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	}},
	{"JWT-Signer-B", keymanagerv1.KeyType_RSA_4096, []x509.SignatureAlgorithm{x509.SHA256WithRSA}},
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	life(t, fmt.Sprintf("place = %q\nkeys_file = %q", "file:"+dir, filepath.Join(t.TempDir(), "keys.json")), kinds)
	if files, err := filepath.Glob(filepath.Join(dir, "spire-*.pem")); err != nil || len(files) != len(kinds) {
		t.Errorf("the place has the files %v: one for each of SPIRE's keys is expected, %v", files, err)
	}
}

func TestServer(t *testing.T) {
	compat.Use(t)
	life(t, fmt.Sprintf("place = %q\nkeys_file = %q\nprefix = %q\ndeletion_days = 9", "holdfast:///", filepath.Join(t.TempDir(), "keys.json"), "trust-"), kinds)
	c, err := client.New(client.Environment())
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Keys(t.Context(), client.Page{})
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for _, item := range list.Keys {
		k, err := c.Key(t.Context(), item.ID)
		if err != nil {
			t.Fatal(err)
		}
		states[k.State]++
	}
	if states["enabled"] != len(kinds) || states["pending deletion"] != 1 {
		t.Errorf("the states of the server's keys are %v: one was replaced", states)
	}
	t.Run("as AWS KMS", func(t *testing.T) {
		life(t, fmt.Sprintf("place = %q\nkeys_file = %q", "awskms:///", filepath.Join(t.TempDir(), "keys.json")), kinds[:1])
	})
}

// life is that of a plug-in in a place: keys are made, used, found again by the
// next process, and replaced.
func life(t *testing.T, hcl string, kinds []kind) {
	t.Helper()
	m := start(t, hcl)
	if resp, err := m.GetPublicKeys(t.Context(), &keymanagerv1.GetPublicKeysRequest{}); err != nil || len(resp.GetPublicKeys()) != 0 {
		t.Fatalf("keys before there are any: %v, %v", resp, err)
	}
	made := map[string]*keymanagerv1.PublicKey{}
	for _, k := range kinds {
		p := m.generate(t, k.id, k.kind)
		if p.GetId() != k.id || p.GetType() != k.kind || p.GetFingerprint() == "" {
			t.Errorf("made %v", p)
		}
		made[k.id] = p
		for _, a := range k.algorithms {
			certify(t, &signer{t, m, p}, a)
		}
	}
	again := start(t, hcl)
	same(t, again, made)
	certify(t, &signer{t, again, made["x509-CA-A"]}, x509.ECDSAWithSHA256)

	made["x509-CA-A"] = again.generate(t, "x509-CA-A", keymanagerv1.KeyType_EC_P384)
	certify(t, &signer{t, again, made["x509-CA-A"]}, x509.ECDSAWithSHA384)
	same(t, again, made)
	if err := again.configure(t, hcl); err != nil { // anew, while it runs
		t.Fatal(err)
	}
	same(t, again, made)
}

// same checks that a plug-in has the keys that were made, and no others.
func same(t *testing.T, m manager, made map[string]*keymanagerv1.PublicKey) {
	t.Helper()
	resp, err := m.GetPublicKeys(t.Context(), &keymanagerv1.GetPublicKeysRequest{})
	if err != nil || len(resp.GetPublicKeys()) != len(made) {
		t.Fatalf("the keys are %v, %v", resp, err)
	}
	for _, got := range resp.GetPublicKeys() {
		want := made[got.GetId()]
		if got.GetFingerprint() != want.GetFingerprint() || string(got.GetPkixData()) != string(want.GetPkixData()) || got.GetType() != want.GetType() {
			t.Errorf("the key %s is %v and not %v", got.GetId(), got, want)
		}
		one, err := m.GetPublicKey(t.Context(), &keymanagerv1.GetPublicKeyRequest{KeyId: got.GetId()})
		if err != nil || one.GetPublicKey().GetFingerprint() != want.GetFingerprint() {
			t.Errorf("the key %s alone: %v, %v", got.GetId(), one, err)
		}
	}
}

// TestRefused has requests that are wrong.
func TestRefused(t *testing.T) {
	t.Parallel()
	bare := serve(t)
	if _, err := bare.GetPublicKeys(t.Context(), &keymanagerv1.GetPublicKeysRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("without a configuration: %v", err)
	}
	m := start(t, fmt.Sprintf("place = %q\nkeys_file = %q", "file:"+t.TempDir(), filepath.Join(t.TempDir(), "keys.json")))
	m.generate(t, "ec", keymanagerv1.KeyType_EC_P256)
	m.generate(t, "rsa", keymanagerv1.KeyType_RSA_2048)
	digest := sha256.Sum256(nil)
	hashed := func(h keymanagerv1.HashAlgorithm) *keymanagerv1.SignDataRequest {
		return &keymanagerv1.SignDataRequest{Data: digest[:], SignerOpts: &keymanagerv1.SignDataRequest_HashAlgorithm{HashAlgorithm: h}}
	}
	pss := func(salt int32) *keymanagerv1.SignDataRequest {
		return &keymanagerv1.SignDataRequest{Data: digest[:], SignerOpts: &keymanagerv1.SignDataRequest_PssOptions{
			PssOptions: &keymanagerv1.SignDataRequest_PSSOptions{HashAlgorithm: keymanagerv1.HashAlgorithm_SHA256, SaltLength: salt},
		}}
	}
	for _, test := range []struct {
		name, id string
		req      *keymanagerv1.SignDataRequest
		want     codes.Code
	}{
		{"a digest", "ec", hashed(keymanagerv1.HashAlgorithm_SHA256), codes.OK},
		{"no such key", "x", hashed(keymanagerv1.HashAlgorithm_SHA256), codes.NotFound},
		{"no hash", "ec", hashed(0), codes.InvalidArgument},
		{"a hash that is not had", "rsa", hashed(keymanagerv1.HashAlgorithm_SHA3_256), codes.InvalidArgument},
		{"a digest of another size", "rsa", hashed(keymanagerv1.HashAlgorithm_SHA384), codes.InvalidArgument},
		{"no options", "rsa", &keymanagerv1.SignDataRequest{Data: digest[:]}, codes.InvalidArgument},
		{"PSS", "rsa", pss(32), codes.OK},
		{"PSS, the salt as long as the hash", "rsa", pss(rsa.PSSSaltLengthEqualsHash), codes.OK},
		{"PSS, the salt of any length", "rsa", pss(rsa.PSSSaltLengthAuto), codes.OK},
		{"PSS, another salt", "rsa", pss(20), codes.InvalidArgument},
		{"PSS with a curve", "ec", pss(32), codes.InvalidArgument},
	} {
		test.req.KeyId = test.id
		if _, err := m.SignData(t.Context(), test.req); status.Code(err) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for _, req := range []*keymanagerv1.GenerateKeyRequest{
		{KeyType: keymanagerv1.KeyType_EC_P256}, {KeyId: "x"}, {KeyId: "x", KeyType: 9},
	} {
		if _, err := m.GenerateKey(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", req, err)
		}
	}
	if _, err := m.GetPublicKey(t.Context(), &keymanagerv1.GetPublicKeyRequest{KeyId: "x"}); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
}

// TestState is about what a new process finds.
func TestState(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(t *testing.T, place, keys string)
		code   codes.Code
		want   string // what the error has
		left   int    // the keys that are left without one
	}{
		{"as it was", func(*testing.T, string, string) {}, codes.OK, "", 1},
		{"the file is lost", func(t *testing.T, _, keys string) { try(t, os.Remove(keys)) }, codes.OK, "", 0},
		{"the key is lost", func(t *testing.T, place, _ string) { try(t, os.Remove(only(t, place))) }, codes.OK, "", 0},
		{"the key is another one", func(t *testing.T, place, _ string) {
			path := only(t, place)
			try(t, os.Remove(path))
			k, err := holdfast.Create(t.Context(), "file:"+path, "p-256")
			try(t, err)
			try(t, k.Close())
		}, codes.FailedPrecondition, "of another key", 0},
		{"the key is of another kind", func(t *testing.T, place, _ string) {
			path := only(t, place)
			try(t, os.Remove(path))
			k, err := holdfast.Create(t.Context(), "file:"+path, "ed25519")
			try(t, err)
			try(t, k.Close())
		}, codes.FailedPrecondition, "no keys of the type ed25519", 0},
		{"the key is open to all", func(t *testing.T, place, _ string) { try(t, os.Chmod(only(t, place), 0o644)) }, codes.PermissionDenied, "chmod 600", 0},
		{"the file is no JSON", func(t *testing.T, _, keys string) { try(t, os.WriteFile(keys, []byte("keys"), 0o600)) }, codes.Internal, "keys_file", 0},
		{"the file is newer", func(t *testing.T, _, keys string) { try(t, os.WriteFile(keys, []byte(`{"version": 2}`), 0o600)) }, codes.Internal, "version is 2", 0},
		{"the file is of another place", func(t *testing.T, _, keys string) {
			try(t, os.WriteFile(keys, []byte(`{"version": 1, "place": "holdfast:///"}`), 0o600))
		}, codes.Internal, "name another file", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			place, keys := t.TempDir(), filepath.Join(t.TempDir(), "keys.json")
			hcl := fmt.Sprintf("place = %q\nkeys_file = %q", "file:"+place, keys)
			start(t, hcl).generate(t, "x509-CA-A", keymanagerv1.KeyType_EC_P256)
			test.change(t, place, keys)
			m := serve(t)
			err := m.configure(t, hcl)
			if status.Code(err) != test.code || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if resp, err := m.GetPublicKeys(t.Context(), &keymanagerv1.GetPublicKeysRequest{}); err != nil || len(resp.GetPublicKeys()) != test.left {
				t.Errorf("the keys are %v, %v", resp, err)
			}
			m.generate(t, "x509-CA-A", keymanagerv1.KeyType_EC_P256)
		})
	}
}

// TestUnwritten shows that a key is not SPIRE's until the file says so, and that
// none is left over.
func TestUnwritten(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	m := start(t, fmt.Sprintf("place = %q\nkeys_file = %q", "file:"+place, filepath.Join(t.TempDir(), "nowhere", "keys.json")))
	_, err := m.GenerateKey(t.Context(), &keymanagerv1.GenerateKeyRequest{KeyId: "k", KeyType: keymanagerv1.KeyType_EC_P256})
	if err == nil || !strings.Contains(err.Error(), "writing keys_file") {
		t.Error(err)
	}
	if _, err := m.GetPublicKey(t.Context(), &keymanagerv1.GetPublicKeyRequest{KeyId: "k"}); status.Code(err) != codes.NotFound {
		t.Errorf("the key that was not kept: %v", err)
	}
	if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
		t.Errorf("left in the place: %v, %v", left, err)
	}
}

// TestConfig has configurations that are wrong.
func TestConfig(t *testing.T) {
	t.Parallel()
	m := serve(t)
	const good = "place = \"file:/keys\"\nkeys_file = \"/nowhere/keys.json\"\n"
	for _, test := range []struct{ hcl, want string }{
		{"place", "reading the configuration"},
		{"", "place is missing"},
		{`place = "holdfast:///"`, "keys_file is missing"},
		{`place = "nope:x"` + "\n" + `keys_file = "k"`, "not known"},
		{`place = "pkcs11:token=t?pin-value=4711"` + "\n" + `keys_file = "k"`, "a PIN does not belong"},
		{good + `prefix = "a/b"`, "prefix is not"},
		{good + `deletion_days = 3`, "deletion_days is not 7 to 30"},
		{good + `region = "eu-central-1"`, "no such setting: region"},
	} {
		err := m.configure(t, test.hcl)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "4711") {
			t.Errorf("%q: %v", test.hcl, err)
		}
	}
	if err := m.configure(t, good); err != nil {
		t.Error(err)
	}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// only returns the path of the one file in a folder.
func only(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

var _ crypto.Signer = (*signer)(nil)
