package azurekvtest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // RSA-OAEP is with SHA-1 (RFC 7518 section 4.3)
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"time"

	k256ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// operations are what a request asks of a key, by the last part of its path.
var operations = map[string]azure.KeyOperation{
	"sign": azure.Sign, "verify": azure.Verify, "encrypt": azure.Encrypt, "decrypt": azure.Decrypt, "wrapkey": azure.WrapKey, "unwrapkey": azure.UnwrapKey,
}

var errIncorrect = errors.New("the parameter is incorrect")

// use answers a request that uses a key.
func (s *Server) use(w http.ResponseWriter, r *http.Request, name, id, what string) {
	op, ok := operations[what]
	if !ok {
		notAllowed(w)
		return
	}
	s.mu.Lock()
	o, found := s.find(name, id)
	var v version
	var kid string
	if found != nil {
		v, kid = *found, s.kid(r, o, found)
	}
	s.mu.Unlock()
	if found == nil {
		notFound(w, name)
		return
	}
	if inner := v.forbids(op, time.Now()); inner != "" {
		fail(w, http.StatusForbidden, azure.Forbidden, inner, "Operation "+string(op)+" is not permitted on this key.")
		return
	}
	switch op {
	case azure.Sign:
		signed(w, r, &v, kid)
	case azure.Verify:
		verified(w, r, &v)
	default:
		crypted(w, r, &v, kid, op == azure.Encrypt || op == azure.WrapKey)
	}
}

// forbids returns why a key does not do an operation, "" where it does. A
// disabled key still does what its public half can; out of its time a key only
// undoes what it did.
func (v *version) forbids(op azure.KeyOperation, now time.Time) azure.ErrorCode {
	undoes := op == azure.Decrypt || op == azure.UnwrapKey || op == azure.Verify
	public := op == azure.Encrypt || op == azure.WrapKey || op == azure.Verify
	switch {
	case !slices.Contains(v.ops, op):
		return azure.KeyOperationForbidden
	case !v.enabled && !public:
		return azure.KeyDisabled
	case v.attrs.NotBefore != 0 && now.Unix() < v.attrs.NotBefore && !undoes:
		return azure.KeyNotYetValid
	case v.attrs.Expires != 0 && now.Unix() >= v.attrs.Expires && !undoes:
		return azure.KeyExpired
	}
	return ""
}

func signed(w http.ResponseWriter, r *http.Request, v *version, kid string) {
	var in azure.SignDigest
	if !read(w, r, &in) {
		return
	}
	value, err := v.sign(in.Algorithm, in.Value)
	if err != nil {
		badParameter(w, err)
		return
	}
	answer(w, http.StatusOK, azure.OperationResult{KID: kid, Value: value})
}

func verified(w http.ResponseWriter, r *http.Request, v *version) {
	var in azure.VerifyDigest
	if !read(w, r, &in) {
		return
	}
	valid, err := v.verify(in.Algorithm, in.Digest, in.Value)
	if err != nil {
		badParameter(w, err)
		return
	}
	answer(w, http.StatusOK, azure.VerifyResult{Value: valid})
}

func crypted(w http.ResponseWriter, r *http.Request, v *version, kid string, encrypts bool) {
	var in azure.Operation
	if !read(w, r, &in) {
		return
	}
	crypt := v.decrypt
	if encrypts {
		crypt = v.encrypt
	}
	out, err := crypt(&in)
	if err != nil {
		badParameter(w, err)
		return
	}
	out.KID = kid
	answer(w, http.StatusOK, out)
}

// hashOf returns the hash that the last three digits of an algorithm's name are.
func hashOf(name azure.SignatureAlgorithm) crypto.Hash {
	if len(name) < 5 {
		return 0
	}
	return map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[string(name[2:5])]
}

// curves are the algorithms that go with them.
var curves = map[azure.SignatureAlgorithm]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

// sign signs a digest, or computes a code.
func (v *version) sign(name azure.SignatureAlgorithm, value []byte) ([]byte, error) {
	h := hashOf(name)
	if v.secret != nil {
		return v.code(name, value)
	}
	if h == 0 || len(value) != h.Size() {
		return nil, errors.New("invalid algorithm, or length of 'value'")
	}
	switch k := v.private.(type) {
	case *rsa.PrivateKey:
		switch name[:2] {
		case "RS":
			return rsa.SignPKCS1v15(nil, k, h, value)
		case "PS":
			return rsa.SignPSS(rand.Reader, k, h, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
	case *ecdsa.PrivateKey:
		if curves[name] == k.Params().Name {
			return signEC(k, value)
		}
	case k256:
		if name == "ES256K" {
			return signK256(k, value), nil
		}
	}
	return nil, errors.New("the algorithm does not go with the key")
}

// code computes a code; the algorithm must match the key's size.
func (v *version) code(name azure.SignatureAlgorithm, value []byte) ([]byte, error) {
	h := hashOf(name)
	if h == 0 || name[:2] != "HS" || len(v.secret) != h.Size() || len(value) == 0 {
		return nil, errors.New("the key size is incorrect for the algorithm")
	}
	m := hmac.New(h.New, v.secret)
	m.Write(value)
	return m.Sum(nil), nil
}

// signEC returns r and s, each as long as the order.
func signEC(k *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, k, digest)
	if err != nil {
		return nil, err
	}
	size := (k.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out, nil
}

// signK256 is the same on secp256k1; s is the higher of its two values as often
// as it comes.
func signK256(k k256, digest []byte) []byte {
	signature := k256ecdsa.Sign(k.PrivateKey, digest)
	r, s := signature.R(), signature.S()
	if digest[0]&1 == 1 {
		s.Negate()
	}
	one, two := r.Bytes(), s.Bytes()
	return append(one[:], two[:]...)
}

// verify checks a signature or a code.
func (v *version) verify(name azure.SignatureAlgorithm, digest, signature []byte) (bool, error) {
	if v.secret != nil {
		code, err := v.code(name, digest)
		return hmac.Equal(code, signature), err
	}
	h := hashOf(name)
	if h == 0 || len(digest) != h.Size() {
		return false, errors.New("invalid algorithm, or length of 'digest'")
	}
	half := len(signature) / 2
	switch k := v.private.(type) {
	case *rsa.PrivateKey:
		if name[:2] == "PS" {
			return rsa.VerifyPSS(&k.PublicKey, h, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil, nil
		}
		return name[:2] == "RS" && rsa.VerifyPKCS1v15(&k.PublicKey, h, digest, signature) == nil, nil
	case *ecdsa.PrivateKey:
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return curves[name] == k.Params().Name && ecdsa.Verify(&k.PublicKey, digest, r, s), nil
	case k256:
		var r, s secp256k1.ModNScalar
		if name != "ES256K" || len(signature) != 64 || r.SetByteSlice(signature[:half]) || s.SetByteSlice(signature[half:]) {
			return false, nil
		}
		return k256ecdsa.NewSignature(&r, &s).Verify(digest, k.PubKey()), nil
	}
	return false, nil
}

// oaep are the hashes of the algorithms.
var oaep = map[azure.EncryptionAlgorithm]crypto.Hash{"RSA-OAEP": crypto.SHA1, "RSA-OAEP-256": crypto.SHA256}

// gcm returns AES-GCM with the key, whose size goes with the algorithm.
func (v *version) gcm(name azure.EncryptionAlgorithm) (cipher.AEAD, error) {
	size := map[azure.EncryptionAlgorithm]int{"A128GCM": 16, "A192GCM": 24, "A256GCM": 32}[name]
	if size == 0 || len(v.secret) != size {
		return nil, errors.New("the key size is incorrect for the algorithm")
	}
	block, err := aes.NewCipher(v.secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (v *version) encrypt(in *azure.Operation) (*azure.OperationResult, error) {
	if len(in.Value) == 0 {
		return nil, errIncorrect
	}
	if k, ok := v.private.(*rsa.PrivateKey); ok {
		h := oaep[in.Algorithm]
		if h == 0 {
			return nil, errIncorrect
		}
		out, err := rsa.EncryptOAEP(h.New(), rand.Reader, &k.PublicKey, in.Value, nil)
		return &azure.OperationResult{Value: out}, err
	}
	aead, err := v.gcm(in.Algorithm)
	if err != nil || len(in.IV) > 0 {
		return nil, errors.Join(errIncorrect, err)
	}
	iv := make([]byte, aead.NonceSize())
	_, _ = rand.Read(iv) // never fails
	box := aead.Seal(nil, iv, in.Value, in.AAD)
	end := len(box) - aead.Overhead()
	return &azure.OperationResult{Value: box[:end], IV: iv, Tag: box[end:], AAD: in.AAD}, nil
}

func (v *version) decrypt(in *azure.Operation) (*azure.OperationResult, error) {
	if len(in.Value) == 0 {
		return nil, errIncorrect
	}
	if k, ok := v.private.(*rsa.PrivateKey); ok {
		h := oaep[in.Algorithm]
		if h == 0 {
			return nil, errIncorrect
		}
		out, err := rsa.DecryptOAEP(h.New(), nil, k, in.Value, nil)
		if err != nil {
			return nil, errIncorrect
		}
		return &azure.OperationResult{Value: out}, nil
	}
	aead, err := v.gcm(in.Algorithm)
	if err != nil || len(in.IV) != aead.NonceSize() || len(in.Tag) != aead.Overhead() {
		return nil, errors.Join(errIncorrect, err)
	}
	out, err := aead.Open(nil, in.IV, append(slices.Clone(in.Value), in.Tag...), in.AAD)
	if err != nil {
		return nil, errIncorrect
	}
	return &azure.OperationResult{Value: out}, nil
}

// random gives random bytes.
func (s *Server) random(w http.ResponseWriter, r *http.Request) {
	var in azure.RandomBytes
	if !read(w, r, &in) {
		return
	}
	if in.Count < 1 || in.Count > azure.MaxRandomBytes {
		badParameter(w, errIncorrect)
		return
	}
	out := make([]byte, in.Count)
	_, _ = rand.Read(out) // never fails
	answer(w, http.StatusOK, azure.OperationResult{Value: out})
}
