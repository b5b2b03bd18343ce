package gcpkmstest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/pem"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// using returns a version that is enabled and of the purpose.
func (s *Server) using(name string, p gcp.Purpose) (*version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, v, err := s.findVersion(name)
	if err != nil {
		return nil, err
	}
	return usable(k, v, p)
}

// usable returns a copy of a version that can be used for a purpose.
func usable(k *cryptoKey, v *version, p gcp.Purpose) (*version, error) {
	if k.proto.GetPurpose() != p {
		return nil, invalid("%s has the purpose %s.", k.proto.GetName(), k.proto.GetPurpose())
	}
	if v.proto.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		return nil, inState(v.proto)
	}
	return &version{proto: v.proto, material: v.material}, nil
}

// arrived checks a checksum of a request's, if it has one.
func arrived(field string, data []byte, sum *wrapperspb.Int64Value) error {
	if sum != nil && !gcp.Intact(data, sum) {
		return invalid("The checksum in field %s_crc32c did not match the data in field %s.", field, field)
	}
	return nil
}

// AsymmetricSign signs.
func (s *Server) AsymmetricSign(_ context.Context, req *kmspb.AsymmetricSignRequest) (*kmspb.AsymmetricSignResponse, error) {
	v, err := s.using(req.GetName(), kmspb.CryptoKey_ASYMMETRIC_SIGN)
	if err != nil {
		return nil, err
	}
	digest := digestIn(req.GetDigest())
	if err := arrived("digest", digest, req.GetDigestCrc32C()); err != nil {
		return nil, err
	}
	if err := arrived("data", req.GetData(), req.GetDataCrc32C()); err != nil {
		return nil, err
	}
	if (req.GetDigest() != nil) == (req.GetData() != nil) || len(req.GetData()) > maxSoftware {
		return nil, invalid("Exactly one of digest and data must be supplied.")
	}
	signature, err := v.sign(req.GetDigest(), req.GetData())
	if err != nil {
		return nil, err
	}
	return &kmspb.AsymmetricSignResponse{
		Name: v.proto.GetName(), ProtectionLevel: v.proto.GetProtectionLevel(), Signature: signature, SignatureCrc32C: gcp.CRC32C(signature),
		VerifiedDigestCrc32C: req.GetDigestCrc32C() != nil, VerifiedDataCrc32C: req.GetDataCrc32C() != nil,
	}, nil
}

// digestIn returns the digest of a request, whatever its hash.
func digestIn(d *kmspb.Digest) []byte {
	for _, b := range [][]byte{d.GetSha256(), d.GetSha384(), d.GetSha512(), d.GetExternalMu()} {
		if b != nil {
			return b
		}
	}
	return nil
}

// sign signs a digest or a message, whichever the algorithm takes.
func (v *version) sign(d *kmspb.Digest, data []byte) ([]byte, error) {
	name := v.proto.GetAlgorithm().String()
	var opts crypto.SignerOpts = crypto.Hash(0)
	switch {
	case strings.HasPrefix(name, "RSA_SIGN_RAW_PKCS1"), name == "EC_SIGN_ED25519":
	case strings.HasPrefix(name, "PQ_SIGN_ML_DSA"):
		opts = engine.Options(alg.MLDSAPure, alg.Raw)
		if strings.HasSuffix(name, "_EXTERNAL_MU") {
			opts, data = engine.Options(alg.MLDSAPure, alg.ExternalMu), d.GetExternalMu()
		}
	default:
		h := hashOf(v.proto.GetAlgorithm())
		data = map[crypto.Hash][]byte{crypto.SHA256: d.GetSha256(), crypto.SHA384: d.GetSha384(), crypto.SHA512: d.GetSha512()}[h]
		if opts = h; strings.HasPrefix(name, "RSA_SIGN_PSS") {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
		}
		if len(data) != h.Size() {
			return nil, invalid("The digest is not of the algorithm %s.", name)
		}
	}
	if len(data) == 0 {
		return nil, invalid("The request has nothing that the algorithm %s signs.", name)
	}
	signature, err := v.material.signer.Sign(rand.Reader, data, opts)
	if err != nil {
		return nil, invalid("Signing failed: %v", err)
	}
	return signature, nil
}

// AsymmetricDecrypt undoes RSAES-OAEP.
func (s *Server) AsymmetricDecrypt(_ context.Context, req *kmspb.AsymmetricDecryptRequest) (*kmspb.AsymmetricDecryptResponse, error) {
	v, err := s.using(req.GetName(), kmspb.CryptoKey_ASYMMETRIC_DECRYPT)
	if err != nil {
		return nil, err
	}
	if err := arrived("ciphertext", req.GetCiphertext(), req.GetCiphertextCrc32C()); err != nil {
		return nil, err
	}
	k, ok := v.material.signer.(*rsa.PrivateKey)
	if !ok {
		return nil, invalid("Not an RSA key.")
	}
	plaintext, err := rsa.DecryptOAEP(hashOf(v.proto.GetAlgorithm()).New(), nil, k, req.GetCiphertext(), nil)
	if err != nil {
		return nil, invalid("Decryption failed: the ciphertext is invalid.")
	}
	return &kmspb.AsymmetricDecryptResponse{
		Plaintext: plaintext, PlaintextCrc32C: gcp.CRC32C(plaintext), VerifiedCiphertextCrc32C: req.GetCiphertextCrc32C() != nil,
		ProtectionLevel: v.proto.GetProtectionLevel(),
	}, nil
}

// GetPublicKey returns the public half of a key.
func (s *Server) GetPublicKey(_ context.Context, req *kmspb.GetPublicKeyRequest) (*kmspb.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, v, err := s.findVersion(req.GetName())
	if err != nil {
		return nil, err
	}
	if v.proto.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		return nil, inState(v.proto)
	}
	if v.material.signer == nil {
		return nil, invalid("%s has no public half.", req.GetName())
	}
	out := &kmspb.PublicKey{Name: v.proto.GetName(), Algorithm: v.proto.GetAlgorithm(), ProtectionLevel: v.proto.GetProtectionLevel(), PublicKeyFormat: req.GetPublicKeyFormat()}
	public := v.material.signer.Public()
	if raw, ok := public.(interface{ Bytes() []byte }); ok && v.material.spec.Info().Family == alg.MLDSA {
		if req.GetPublicKeyFormat() != kmspb.PublicKey_NIST_PQC {
			return nil, invalid("The public key format must be NIST_PQC for this algorithm.")
		}
		out.PublicKey = &kmspb.ChecksummedData{Data: raw.Bytes(), Crc32CChecksum: gcp.CRC32C(raw.Bytes())}
		return out, nil
	}
	if req.GetPublicKeyFormat() != kmspb.PublicKey_PUBLIC_KEY_FORMAT_UNSPECIFIED {
		return nil, invalid("The public key format is not supported.")
	}
	spki, err := engine.MarshalPublic(v.material.spec, public)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	out.Pem, out.PemCrc32C = string(text), gcp.CRC32C(text)
	return out, nil
}

// MacSign computes a code.
func (s *Server) MacSign(_ context.Context, req *kmspb.MacSignRequest) (*kmspb.MacSignResponse, error) {
	v, err := s.using(req.GetName(), kmspb.CryptoKey_MAC)
	if err != nil {
		return nil, err
	}
	if err := arrived("data", req.GetData(), req.GetDataCrc32C()); err != nil {
		return nil, err
	}
	code := v.mac(req.GetData())
	return &kmspb.MacSignResponse{
		Name: v.proto.GetName(), Mac: code, MacCrc32C: gcp.CRC32C(code), VerifiedDataCrc32C: req.GetDataCrc32C() != nil,
		ProtectionLevel: v.proto.GetProtectionLevel(),
	}, nil
}

func (v *version) mac(data []byte) []byte {
	h := hmac.New(hashOf(v.proto.GetAlgorithm()).New, v.material.secret)
	_, _ = h.Write(data) // never fails
	return h.Sum(nil)
}

// MacVerify checks a code.
func (s *Server) MacVerify(_ context.Context, req *kmspb.MacVerifyRequest) (*kmspb.MacVerifyResponse, error) {
	v, err := s.using(req.GetName(), kmspb.CryptoKey_MAC)
	if err != nil {
		return nil, err
	}
	if err := arrived("data", req.GetData(), req.GetDataCrc32C()); err != nil {
		return nil, err
	}
	if err := arrived("mac", req.GetMac(), req.GetMacCrc32C()); err != nil {
		return nil, err
	}
	success := hmac.Equal(req.GetMac(), v.mac(req.GetData()))
	return &kmspb.MacVerifyResponse{
		Name: v.proto.GetName(), Success: success, VerifiedSuccessIntegrity: success,
		VerifiedDataCrc32C: req.GetDataCrc32C() != nil, VerifiedMacCrc32C: req.GetMacCrc32C() != nil,
		ProtectionLevel: v.proto.GetProtectionLevel(),
	}, nil
}

// The most bytes that Encrypt takes.
const (
	maxSoftware = 64 << 10
	maxHSM      = 8 << 10
)

// A ciphertext looks as the service's do from outside, and is laid out as
//
//	0x0a, handleSize   the tag and the length of the handle
//	handle             what names the version
//	0x12, length       the tag and the length of all that follows, a varint
//	0x00, nonce        and what AES-256-GCM makes
const (
	handleSize = 36
	nonceSize  = 12
)

// Encrypt encrypts under a version, or the primary one of a key.
func (s *Server) Encrypt(_ context.Context, req *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	v, err := s.encrypting(req.GetName())
	if err != nil {
		return nil, err
	}
	associated := req.GetAdditionalAuthenticatedData()
	if err := arrived("plaintext", req.GetPlaintext(), req.GetPlaintextCrc32C()); err != nil {
		return nil, err
	}
	if err := arrived("additional_authenticated_data", associated, req.GetAdditionalAuthenticatedDataCrc32C()); err != nil {
		return nil, err
	}
	if hsm := v.proto.GetProtectionLevel() == kmspb.ProtectionLevel_HSM; len(req.GetPlaintext()) > maxSoftware || len(associated) > maxSoftware ||
		hsm && len(req.GetPlaintext())+len(associated) > maxHSM {
		return nil, invalid("The plaintext is too long.")
	}
	gcm, err := v.material.gcm()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails
	out := append([]byte{0x0a, handleSize}, v.material.handle...)
	out = binary.AppendUvarint(append(out, 0x12), uint64(1+nonceSize+len(req.GetPlaintext())+gcm.Overhead())) //nolint:gosec // small
	out = gcm.Seal(append(append(out, 0), nonce...), nonce, req.GetPlaintext(), associated)
	return &kmspb.EncryptResponse{
		Name: v.proto.GetName(), Ciphertext: out, CiphertextCrc32C: gcp.CRC32C(out), ProtectionLevel: v.proto.GetProtectionLevel(),
		VerifiedPlaintextCrc32C:                   req.GetPlaintextCrc32C() != nil,
		VerifiedAdditionalAuthenticatedDataCrc32C: req.GetAdditionalAuthenticatedDataCrc32C() != nil,
	}, nil
}

// encrypting returns the version that a name stands for.
func (s *Server) encrypting(name string) (*version, error) {
	if strings.Contains(name, "/cryptoKeyVersions/") {
		return s.using(name, kmspb.CryptoKey_ENCRYPT_DECRYPT)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(name)
	if err != nil {
		return nil, err
	}
	if k.primary < 0 {
		return nil, invalid("%s has no primary version.", name)
	}
	return usable(k, k.versions[k.primary], kmspb.CryptoKey_ENCRYPT_DECRYPT)
}

func (m *material) gcm() (cipher.AEAD, error) {
	block, err := aes.NewCipher(m.secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Decrypt decrypts with the version that the ciphertext names.
func (s *Server) Decrypt(_ context.Context, req *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	associated := req.GetAdditionalAuthenticatedData()
	if err := arrived("ciphertext", req.GetCiphertext(), req.GetCiphertextCrc32C()); err != nil {
		return nil, err
	}
	if err := arrived("additional_authenticated_data", associated, req.GetAdditionalAuthenticatedDataCrc32C()); err != nil {
		return nil, err
	}
	v, primary, body, err := s.decrypting(req.GetName(), req.GetCiphertext())
	if err != nil {
		return nil, err
	}
	gcm, err := v.material.gcm()
	if err != nil {
		return nil, err
	}
	plaintext, err := gcm.Open(nil, body[:nonceSize], body[nonceSize:], associated)
	if err != nil {
		return nil, invalid("Decryption failed: the ciphertext is invalid.")
	}
	return &kmspb.DecryptResponse{
		Plaintext: plaintext, PlaintextCrc32C: gcp.CRC32C(plaintext), UsedPrimary: primary, ProtectionLevel: v.proto.GetProtectionLevel(),
	}, nil
}

// decrypting returns the version that a ciphertext names, whether it is the
// primary one, and what follows the ciphertext's head.
func (s *Server) decrypting(name string, ciphertext []byte) (*version, bool, []byte, error) {
	bad := invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.")
	rest, ok := bytes.CutPrefix(ciphertext, []byte{0x0a, handleSize})
	if !ok || len(rest) < handleSize+1 || rest[handleSize] != 0x12 {
		return nil, false, nil, bad
	}
	handle, rest := rest[:handleSize], rest[handleSize+1:]
	length, n := binary.Uvarint(rest)
	if n <= 0 || length != uint64(len(rest)-n) || length < 1+nonceSize || rest[n] != 0 { //nolint:gosec // n is at most 10
		return nil, false, nil, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(name)
	if err != nil {
		return nil, false, nil, err
	}
	for i, v := range k.versions {
		if v.material != nil && bytes.Equal(v.material.handle, handle) {
			v, err := usable(k, v, kmspb.CryptoKey_ENCRYPT_DECRYPT)
			return v, i == k.primary, rest[n+1:], err
		}
	}
	return nil, false, nil, bad
}

// GenerateRandomBytes returns random bytes.
func (s *Server) GenerateRandomBytes(_ context.Context, req *kmspb.GenerateRandomBytesRequest) (*kmspb.GenerateRandomBytesResponse, error) {
	if req.GetLocation() != Location || req.GetProtectionLevel() != kmspb.ProtectionLevel_HSM || req.GetLengthBytes() < 8 || req.GetLengthBytes() > 1024 {
		return nil, invalid("8 to 1024 bytes come from HSMs of a location.")
	}
	b := make([]byte, req.GetLengthBytes())
	_, _ = rand.Read(b) // never fails
	return &kmspb.GenerateRandomBytesResponse{Data: b, DataCrc32C: gcp.CRC32C(b)}, nil
}
