package gcpkms

import (
	"context"
	"crypto"
	"crypto/sha3"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// overhead is by how many bytes a ciphertext is longer than its plaintext, at
// most. The API's reference does not say: those of keys in software were seen
// to be 81 to 86 bytes longer.
const overhead = 512

// The most bytes that Encrypt takes (reference of EncryptRequest.plaintext):
// in software the plaintext and the associated data each, in an HSM both
// together.
const (
	maxSoftware = 64 << 10
	maxHSM      = 8 << 10
)

// Open returns a key for use. It asks the service nothing.
func (e *Engine) Open(_ context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	at, err := e.address(r)
	if err != nil {
		return nil, err
	}
	u := &user{e: e, address: at}
	does := &remote.Operations{Overhead: overhead}
	switch at.row.Purpose { //nolint:exhaustive // the table has no others
	case kmspb.CryptoKey_ENCRYPT_DECRYPT:
		does.Seal, does.Unseal = u.seal, u.unseal
	case kmspb.CryptoKey_ASYMMETRIC_DECRYPT:
		does.Decrypt = u.decrypt
	case kmspb.CryptoKey_ASYMMETRIC_SIGN:
		does.Sign = u.sign
	case kmspb.CryptoKey_MAC:
		does.MAC, does.Verify = u.mac, u.verifyMAC
	}
	return remote.Open(e.line, does, spec, r)
}

// user is an opened key.
type user struct {
	e *Engine
	*address
}

// sign signs. The message comes as its digest, as mu, or as it is.
func (u *user) sign(ctx context.Context, r *remote.Reference, a alg.Algorithm, m engine.Message) ([]byte, error) {
	req := &kmspb.AsymmetricSignRequest{Name: u.version().String()}
	if err := u.fill(req, r, a, m); err != nil {
		return nil, err
	}
	var signature []byte
	err := u.e.call(ctx, "gcpkms.Sign", remote.Repeatable, func(ctx context.Context, c *client) error {
		answer, err := c.AsymmetricSign(ctx, req)
		if err = named(ofUse(err), answer.GetName(), req.GetName()); err != nil {
			return err
		}
		if answer.GetVerifiedDigestCrc32C() != (req.DigestCrc32C != nil) || answer.GetVerifiedDataCrc32C() != (req.DataCrc32C != nil) {
			return damaged("record of the request's checksums")
		}
		if signature = answer.GetSignature(); !gcp.Intact(signature, answer.GetSignatureCrc32C()) {
			return damaged("signature")
		}
		return nil
	})
	if err != nil || u.row.Spec != alg.Secp256k1 {
		return signature, err
	}
	return lower(signature)
}

// lower returns a signature on secp256k1 with the lower of its two values of s.
func lower(signature []byte) ([]byte, error) {
	raw, err := engine.DecodeECDSA(alg.Secp256k1, signature)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "gcpkms.Sign", Err: err}
	}
	return engine.EncodeECDSA(alg.Secp256k1, raw)
}

// fill puts a message into a request, in the form that the key takes.
func (u *user) fill(req *kmspb.AsymmetricSignRequest, r *remote.Reference, a alg.Algorithm, m engine.Message) error {
	switch u.row.Form {
	case gcp.FormDigest:
		req.Digest, req.DigestCrc32C = digest(a.Info().Hash, m.Bytes), gcp.CRC32C(m.Bytes)
	case gcp.FormDigestInfo:
		req.Data = engine.DigestInfo(a.Info().Hash, m.Bytes)
		req.DataCrc32C = gcp.CRC32C(req.GetData())
	case gcp.FormData:
		if m.Form != alg.Raw {
			return fault.New(fault.Unsupported, "the key signs messages where it lives, and not what was made of them")
		}
		req.Data, req.DataCrc32C = m.Bytes, gcp.CRC32C(m.Bytes)
	case gcp.FormMu:
		mu := m.Bytes
		if m.Form != alg.ExternalMu {
			p, err := engine.ParsePublic(u.row.Spec, r.Public)
			if err != nil {
				return err
			}
			mu = muOf(p, m.Bytes)
		}
		req.Digest, req.DigestCrc32C = &kmspb.Digest{Digest: &kmspb.Digest_ExternalMu{ExternalMu: mu}}, gcp.CRC32C(mu)
	}
	return nil
}

// digest returns a digest in the field of its hash.
func digest(h crypto.Hash, d []byte) *kmspb.Digest {
	switch h { //nolint:exhaustive // signatures have no others
	case crypto.SHA384:
		return &kmspb.Digest{Digest: &kmspb.Digest_Sha384{Sha384: d}}
	case crypto.SHA512:
		return &kmspb.Digest{Digest: &kmspb.Digest_Sha512{Sha512: d}}
	}
	return &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: d}}
}

// muOf returns what ML-DSA signs of a message with the empty context (FIPS 204
// algorithm 2, line 10, and algorithm 7, line 6).
func muOf(p *engine.PublicKey, message []byte) []byte {
	k, ok := p.Key().(interface{ Bytes() []byte })
	if !ok {
		return nil // only ML-DSA keys get here, and theirs has it
	}
	tr, mu := make([]byte, 64), make([]byte, 64)
	h := sha3.NewSHAKE256()
	_, _ = h.Write(k.Bytes())
	_, _ = h.Read(tr)
	h.Reset()
	for _, part := range [][]byte{tr, {0, 0}, message} {
		_, _ = h.Write(part)
	}
	_, _ = h.Read(mu)
	return mu
}

// decrypt undoes RSAES-OAEP.
func (u *user) decrypt(ctx context.Context, _ *remote.Reference, _ alg.Algorithm, ciphertext []byte) ([]byte, error) {
	req := &kmspb.AsymmetricDecryptRequest{Name: u.version().String(), Ciphertext: ciphertext, CiphertextCrc32C: gcp.CRC32C(ciphertext)}
	var plaintext []byte
	err := u.e.call(ctx, "gcpkms.Decrypt", remote.Repeatable, func(ctx context.Context, c *client) error {
		answer, err := c.AsymmetricDecrypt(ctx, req)
		if err != nil {
			return ofCiphertext(err)
		}
		if !answer.GetVerifiedCiphertextCrc32C() || !gcp.Intact(answer.GetPlaintext(), answer.GetPlaintextCrc32C()) {
			clear(answer.GetPlaintext())
			return damaged("plaintext")
		}
		plaintext = answer.GetPlaintext()
		return nil
	})
	return plaintext, err
}

// seal encrypts under the pinned version, or the key's primary one.
func (u *user) seal(ctx context.Context, _ *remote.Reference, plaintext, associated []byte) ([]byte, error) {
	if err := u.fits(plaintext, associated); err != nil {
		return nil, err
	}
	req := &kmspb.EncryptRequest{
		Name: u.using(), Plaintext: plaintext, AdditionalAuthenticatedData: associated,
		PlaintextCrc32C: gcp.CRC32C(plaintext), AdditionalAuthenticatedDataCrc32C: gcp.CRC32C(associated),
	}
	var ciphertext []byte
	err := u.e.call(ctx, "gcpkms.Encrypt", remote.Repeatable, func(ctx context.Context, c *client) error {
		answer, err := c.Encrypt(ctx, req)
		if err != nil {
			return ofUse(err)
		}
		// The name is that of the version; of a key without one, some version's.
		if name := answer.GetName(); name != req.GetName() && (u.number != 0 || !strings.HasPrefix(name, req.GetName()+"/cryptoKeyVersions/")) {
			return damaged("name")
		}
		if !answer.GetVerifiedPlaintextCrc32C() || !answer.GetVerifiedAdditionalAuthenticatedDataCrc32C() {
			return damaged("record of the request's checksums")
		}
		if ciphertext = answer.GetCiphertext(); !gcp.Intact(ciphertext, answer.GetCiphertextCrc32C()) {
			return damaged("ciphertext")
		}
		return nil
	})
	return ciphertext, err
}

// fits refuses what the service would.
func (u *user) fits(plaintext, associated []byte) error {
	limit, size := maxSoftware, max(len(plaintext), len(associated))
	if u.e.level == kmspb.ProtectionLevel_HSM && !u.adopted {
		limit, size = maxHSM, len(plaintext)+len(associated)
	}
	if size > limit {
		return fault.Because(fault.InvalidArgument, fault.MessageTooLong, "the key encrypts at most %d bytes where it lives", limit)
	}
	return nil
}

// unseal decrypts. The service finds the version by the ciphertext.
func (u *user) unseal(ctx context.Context, _ *remote.Reference, ciphertext, associated []byte) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext) > maxSoftware+overhead || len(associated) > maxSoftware {
		return nil, fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key")
	}
	req := &kmspb.DecryptRequest{
		Name: u.key.String(), Ciphertext: ciphertext, AdditionalAuthenticatedData: associated,
		CiphertextCrc32C: gcp.CRC32C(ciphertext), AdditionalAuthenticatedDataCrc32C: gcp.CRC32C(associated),
	}
	var plaintext []byte
	err := u.e.call(ctx, "gcpkms.Decrypt", remote.Repeatable, func(ctx context.Context, c *client) error {
		answer, err := c.Decrypt(ctx, req)
		if err != nil {
			return ofCiphertext(err)
		}
		if !gcp.Intact(answer.GetPlaintext(), answer.GetPlaintextCrc32C()) {
			clear(answer.GetPlaintext())
			return damaged("plaintext")
		}
		plaintext = answer.GetPlaintext()
		return nil
	})
	return plaintext, err
}

// mac computes a code.
func (u *user) mac(ctx context.Context, _ *remote.Reference, _ alg.Algorithm, message []byte) ([]byte, error) {
	req := &kmspb.MacSignRequest{Name: u.version().String(), Data: message, DataCrc32C: gcp.CRC32C(message)}
	var code []byte
	err := u.e.call(ctx, "gcpkms.MAC", remote.Repeatable, func(ctx context.Context, c *client) error {
		answer, err := c.MacSign(ctx, req)
		if err = named(ofUse(err), answer.GetName(), req.GetName()); err != nil {
			return err
		}
		if code = answer.GetMac(); !answer.GetVerifiedDataCrc32C() || !gcp.Intact(code, answer.GetMacCrc32C()) {
			return damaged("code")
		}
		return nil
	})
	return code, err
}

// verifyMAC has the service check a code.
func (u *user) verifyMAC(ctx context.Context, _ *remote.Reference, a alg.Algorithm, m engine.Message, code []byte) error {
	bad := fault.New(fault.BadSignature, "the signature does not verify")
	if len(code) != a.Info().Hash.Size() {
		return bad
	}
	req := &kmspb.MacVerifyRequest{
		Name: u.version().String(), Data: m.Bytes, DataCrc32C: gcp.CRC32C(m.Bytes), Mac: code, MacCrc32C: gcp.CRC32C(code),
	}
	return u.e.call(ctx, "gcpkms.VerifyMAC", remote.Repeatable, func(ctx context.Context, c *client) error {
		answer, err := c.MacVerify(ctx, req)
		if err = named(ofUse(err), answer.GetName(), req.GetName()); err != nil {
			return err
		}
		if !answer.GetVerifiedDataCrc32C() || !answer.GetVerifiedMacCrc32C() || answer.GetVerifiedSuccessIntegrity() != answer.GetSuccess() {
			return damaged("record of the request's checksums")
		}
		if !answer.GetSuccess() {
			return bad
		}
		return nil
	})
}
