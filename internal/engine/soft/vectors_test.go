package soft

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
)

// A corpus is a file of vectors that somebody else made, for one algorithm of
// one spec. run drives them through this engine or engine.PublicKey, and
// returns how many it ran.
type corpus struct {
	file      string
	spec      alg.Spec
	algorithm alg.Algorithm
	run       func(t *testing.T, c corpus) int
}

const wycheproof = "wycheproof/"

var corpora = []corpus{
	{wycheproof + "aes_gcm", alg.AES256, alg.AESGCM, runGCM},
	{"aead.json", alg.AES256, alg.AESGCM, runAEAD},
	{wycheproof + "hmac_sha224", alg.HMAC224, alg.HMACSHA224, runHMAC},
	{wycheproof + "hmac_sha256", alg.HMAC256, alg.HMACSHA256, runHMAC},
	{wycheproof + "hmac_sha384", alg.HMAC384, alg.HMACSHA384, runHMAC},
	{wycheproof + "hmac_sha512", alg.HMAC512, alg.HMACSHA512, runHMAC},
	{wycheproof + "rsa_oaep_2048_sha1_mgf1sha1", alg.RSA2048, alg.OAEPSHA1, runOAEP},
	{wycheproof + "rsa_oaep_2048_sha256_mgf1sha256", alg.RSA2048, alg.OAEPSHA256, runOAEP},
	{wycheproof + "rsa_oaep_3072_sha256_mgf1sha256", alg.RSA3072, alg.OAEPSHA256, runOAEP},
	{wycheproof + "rsa_oaep_4096_sha256_mgf1sha256", alg.RSA4096, alg.OAEPSHA256, runOAEP},
	{wycheproof + "rsa_signature_2048_sha256", alg.RSA2048, alg.PKCS1SHA256, runVerify},
	{wycheproof + "rsa_signature_2048_sha384", alg.RSA2048, alg.PKCS1SHA384, runVerify},
	{wycheproof + "rsa_signature_2048_sha512", alg.RSA2048, alg.PKCS1SHA512, runVerify},
	{wycheproof + "rsa_signature_3072_sha256", alg.RSA3072, alg.PKCS1SHA256, runVerify},
	{wycheproof + "rsa_signature_3072_sha384", alg.RSA3072, alg.PKCS1SHA384, runVerify},
	{wycheproof + "rsa_signature_3072_sha512", alg.RSA3072, alg.PKCS1SHA512, runVerify},
	{wycheproof + "rsa_signature_4096_sha256", alg.RSA4096, alg.PKCS1SHA256, runVerify},
	{wycheproof + "rsa_signature_4096_sha384", alg.RSA4096, alg.PKCS1SHA384, runVerify},
	{wycheproof + "rsa_signature_4096_sha512", alg.RSA4096, alg.PKCS1SHA512, runVerify},
	{wycheproof + "rsa_pss_2048_sha256_mgf1_32", alg.RSA2048, alg.PSSSHA256, runVerify},
	{wycheproof + "rsa_pss_3072_sha256_mgf1_32", alg.RSA3072, alg.PSSSHA256, runVerify},
	{wycheproof + "rsa_pss_4096_sha256_mgf1_32", alg.RSA4096, alg.PSSSHA256, runVerify},
	{wycheproof + "rsa_pss_4096_sha384_mgf1_48", alg.RSA4096, alg.PSSSHA384, runVerify},
	{wycheproof + "rsa_pss_4096_sha512_mgf1_64", alg.RSA4096, alg.PSSSHA512, runVerify},
	{wycheproof + "ecdsa_secp256r1_sha256", alg.P256, alg.ECDSASHA256, runVerify},
	{wycheproof + "ecdsa_secp384r1_sha384", alg.P384, alg.ECDSASHA384, runVerify},
	{wycheproof + "ecdsa_secp521r1_sha512", alg.P521, alg.ECDSASHA512, runVerify},
	{wycheproof + "ecdsa_secp256k1_sha256", alg.Secp256k1, alg.ECDSASHA256, runVerify},
	{wycheproof + "ed25519", alg.Ed25519, alg.Ed25519Pure, runVerify},
	{"rfc.json", alg.Ed25519, alg.Ed25519Pure, runRFC8032},
	{"rfc.json", alg.Ed25519, alg.Ed25519ph, runRFC8032},
	{wycheproof + "mldsa_44_verify", alg.MLDSA44, alg.MLDSAPure, runMLDSAVerify},
	{wycheproof + "mldsa_65_verify", alg.MLDSA65, alg.MLDSAPure, runMLDSAVerify},
	{wycheproof + "mldsa_87_verify", alg.MLDSA87, alg.MLDSAPure, runMLDSAVerify},
	{wycheproof + "mldsa_44_sign_seed", alg.MLDSA44, alg.MLDSAPure, runMLDSASign},
	{wycheproof + "mldsa_65_sign_seed", alg.MLDSA65, alg.MLDSAPure, runMLDSASign},
	{wycheproof + "mldsa_87_sign_seed", alg.MLDSA87, alg.MLDSAPure, runMLDSASign},
	{wycheproof + "ecdh_secp256r1_ecpoint", alg.P256, alg.ECDH, runECDH},
	{wycheproof + "ecdh_secp384r1_ecpoint", alg.P384, alg.ECDH, runECDH},
	{wycheproof + "ecdh_secp521r1_ecpoint", alg.P521, alg.ECDH, runECDH},
}

// TestVectors runs every corpus. One of which nothing ran is a failure.
func TestVectors(t *testing.T) {
	for _, c := range slices.Concat(corpora, further) {
		t.Run(c.algorithm.String()+"/"+strings.TrimPrefix(c.file, wycheproof), func(t *testing.T) {
			if n := c.run(t, c); n == 0 {
				t.Error("no vector ran")
			}
		})
	}
}

// TestEverythingHasVectors asserts that each algorithm and each spec of the
// table has a corpus, and each file of vectors a use.
func TestEverythingHasVectors(t *testing.T) {
	algorithms, specs, files := map[alg.Algorithm]bool{}, map[alg.Spec]bool{}, map[string]bool{}
	for _, c := range slices.Concat(corpora, further) {
		if !c.spec.Has(c.algorithm) {
			t.Errorf("%s: a key of type %s has no algorithm %s", c.file, c.spec, c.algorithm)
		}
		algorithms[c.algorithm], specs[c.spec], files[c.file] = true, true, true
	}
	for _, a := range append(alg.Algorithms(), alg.FurtherAlgorithms()...) {
		if !algorithms[a] && !slices.Contains(unpublished, a) {
			t.Errorf("algorithm %s has no vectors", a)
		}
	}
	for _, s := range alg.Specs() {
		if !specs[s] {
			t.Errorf("spec %s has no vectors", s)
		}
	}
	found, err := filepath.Glob("testdata/wycheproof/*.json.gz")
	if err != nil || len(found) == 0 {
		t.Fatalf("no vectors found: %v", err)
	}
	for _, path := range found {
		if name := wycheproof + strings.TrimSuffix(filepath.Base(path), "_test.json.gz"); !files[name] {
			t.Errorf("%s is not used", path)
		}
	}
}

// hexBytes is bytes in hex in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// group is a test group of any Wycheproof file, with what this package reads.
type group struct {
	PublicKeyDer    hexBytes
	PublicKey       json.RawMessage
	PrivateKeyPkcs8 hexBytes
	PrivateSeed     hexBytes
	KeySize         int
	TagSize         int
	IVSize          int
	SHA             string
	Tests           []vector
}

// vector is a test of any Wycheproof file.
type vector struct {
	ID      int `json:"tcId"`
	Comment string
	Flags   []string
	Result  string
	Msg     hexBytes
	Sig     hexBytes
	Key     hexBytes
	IV      hexBytes
	AAD     hexBytes
	CT      hexBytes
	Tag     hexBytes
	Label   hexBytes
	Ctx     hexBytes
	Mu      hexBytes
	Public  hexBytes
	Private hexBytes
	Shared  hexBytes
}

// judge compares an outcome with the vector's: what is "acceptable" may go
// either way.
func (v vector) judge(t *testing.T, ok bool, doing string) {
	t.Helper()
	if v.Result != "acceptable" && ok != (v.Result == "valid") {
		t.Errorf("tcId %d (%s): %s works: %t, but the vector is %s", v.ID, v.Comment, doing, ok, v.Result)
	}
}

func readFile(t *testing.T, name string, v any) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var in io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.NewDecoder(in).Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func (c corpus) groups(t *testing.T) []group {
	t.Helper()
	var file struct {
		NumberOfTests int
		TestGroups    []group
	}
	readFile(t, c.file+"_test.json.gz", &file)
	n := 0
	for _, g := range file.TestGroups {
		n += len(g.Tests)
	}
	if n == 0 || n != file.NumberOfTests {
		t.Fatalf("%s has %d tests, and says it has %d", c.file, n, file.NumberOfTests)
	}
	return file.TestGroups
}

// importKey takes a secret that somebody else made through the engine's own
// path: wrapped, and opened again.
func importKey(t *testing.T, e *Engine, spec alg.Spec, encoded []byte) (*engine.Key, error) {
	t.Helper()
	ref := enginetest.NewRef("imported")
	m, err := e.wrap(ref, spec, &secret{encoded: bytes.Clone(encoded)})
	if err != nil {
		t.Fatal(err)
	}
	return e.Open(t.Context(), ref, spec, m.Wrapped)
}

// fixedRSA returns a key of an RSA spec in PKCS #8, from the vectors: making
// one takes long.
func fixedRSA(t *testing.T, spec alg.Spec) []byte {
	t.Helper()
	for _, c := range corpora {
		if c.spec == spec && c.algorithm == alg.OAEPSHA256 {
			return c.groups(t)[0].PrivateKeyPkcs8
		}
	}
	t.Fatalf("no vectors have a private key of type %s", spec)
	return nil
}

// engines returns an engine in pure Go and, where there is a library, a
// native one.
func engines(t *testing.T) map[string]*Engine {
	t.Helper()
	all := map[string]*Engine{"go": newEngine(t, Options{PureGo: true})}
	if e := newEngine(t, Options{}); e.RSA().Why == nil {
		all["native"] = e
	} else {
		t.Logf("not run with a native library: %v", e.RSA().Why)
	}
	return all
}
