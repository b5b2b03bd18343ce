package soft

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

func parseSelfTestKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	parsed, err := x509.ParsePKCS8PrivateKey(selfTestKey)
	if err != nil {
		t.Fatal(err)
	}
	k, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		t.Fatalf("a %T", parsed)
	}
	return k
}

// TestSignerOptions asserts that an opened key signs and decrypts only as the
// table says, whoever holds it.
func TestSignerOptions(t *testing.T) {
	k, err := importKey(t, newEngine(t, Options{PureGo: true}), alg.RSA2048, selfTestKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		length int
		opts   crypto.SignerOpts
		reason fault.Reason // 0 when it signs
	}{
		{"PKCS #1", 32, crypto.SHA256, 0},
		{"PSS", 48, &rsa.PSSOptions{Hash: crypto.SHA384, SaltLength: rsa.PSSSaltLengthEqualsHash}, 0},
		{"PSS, salt in bytes", 32, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 32}, 0},
		{"PSS, short salt", 32, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 20}, fault.WrongAlgorithm},
		{"PSS, longest salt", 32, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: rsa.PSSSaltLengthAuto}, fault.WrongAlgorithm},
		{"SHA-1", 20, crypto.SHA1, 0},
		{"MD5 and SHA-1", 36, crypto.MD5SHA1, 0},
		{"MD5", 16, crypto.MD5, fault.WrongAlgorithm},
		{"no hash", 32, crypto.Hash(0), 0},
		{"no hash, all that fits", 245, crypto.Hash(0), 0},
		{"no hash, a byte more", 246, crypto.Hash(0), fault.DigestLength},
		{"no hash and no bytes", 0, crypto.Hash(0), fault.DigestLength},
		{"nothing", 32, nil, fault.WrongAlgorithm},
		{"short digest", 31, crypto.SHA256, fault.DigestLength},
	} {
		_, err := k.Signer.Sign(rand.Reader, make([]byte, tt.length), tt.opts)
		if fault.ReasonOf(err) != tt.reason || (err == nil) != (tt.reason == 0) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for name, opts := range map[string]crypto.DecrypterOpts{
		"PKCS #1 v1.5": nil, "PKCS #1 v1.5 for a session key": &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 32}, //nolint:staticcheck // deprecated: it must be refused
		"a label":   &rsa.OAEPOptions{Hash: crypto.SHA256, Label: []byte("x")},
		"SHA-384":   &rsa.OAEPOptions{Hash: crypto.SHA384},
		"two kinds": &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1},
	} {
		_, err := k.Decrypter.Decrypt(rand.Reader, make([]byte, 256), opts)
		if fault.ReasonOf(err) != fault.WrongAlgorithm {
			t.Errorf("decrypting with %s: %v", name, err)
		}
	}
}

// TestLane asserts that no more operations run at once than the lane is wide,
// and that one that waits too long gives up.
func TestLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newRSAUnit(Options{PureGo: true, RSALane: 2, Log: quiet()})
		for range 2 {
			if err := u.enter(); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		if err := u.enter(); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a full lane lets in, or says %v", err)
		}
		if waited := time.Since(start); waited != laneWait {
			t.Errorf("waited %v, want %v", waited, laneWait)
		}
		entered := make(chan error)
		go func() { entered <- u.enter() }()
		synctest.Wait()
		u.leave()
		if err := <-entered; err != nil {
			t.Errorf("a free place is not given: %v", err)
		}
	})
}

// TestStock asserts that keys are made in advance, each given once, and that
// Close ends the making.
func TestStock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock(map[alg.Spec]int{alg.RSA2048: 2, alg.RSA3072: 0})
		time.Sleep(10 * stockDelay)
		synctest.Wait()
		select {
		case s.turn <- struct{}{}: // nobody makes a key yet
			<-s.turn
		default:
			t.Error("keys are made before begin")
		}
		s.begin()
		time.Sleep(stockDelay)
		synctest.Wait()
		if got := len(s.ready[alg.RSA2048]); got != 1 { // and one in the goroutine's hand
			t.Errorf("%d keys wait in the channel, want 1", got)
		}
		seen := map[string]bool{}
		for range 4 {
			k, err := s.take(t.Context(), alg.RSA2048)
			if err != nil || k.N.BitLen() != 2048 || seen[k.N.String()] {
				t.Fatalf("key %v: %v", k.N, err)
			}
			seen[k.N.String()] = true
		}
		s.close()
	})
}

// TestStockClosesEarly asserts that an engine that is closed at once ends.
func TestStockClosesEarly(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		newStock(map[alg.Spec]int{alg.RSA4096: 1}).close()
	})
}

func TestNewRefuses(t *testing.T) {
	for name, f := range map[string]func() (*Engine, error){
		"no wrapper":          func() (*Engine, error) { return New(nil, Options{}) },
		"P-256 in advance":    func() (*Engine, error) { return New(box{}, Options{Pregenerate: map[alg.Spec]int{alg.P256: 1}}) },
		"fewer than no keys":  func() (*Engine, error) { return New(box{}, Options{Pregenerate: map[alg.Spec]int{alg.RSA2048: -1}}) },
		"an unknown key type": func() (*Engine, error) { return New(box{}, Options{Pregenerate: map[alg.Spec]int{99: 1}}) },
	} {
		if _, err := f(); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
