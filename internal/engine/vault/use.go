package vault

import (
	"context"
	"net/http"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// Open makes a key ready for use. It reaches no server.
func (e *Engine) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "engine/vault.Open", Public: "the caller has gone", Err: err}
	}
	r, err := remote.Unseal(e.box, ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	return remote.Open(e.line, &e.does, spec, r)
}

// ask sends a request to use a key, and checks the answer.
func ask[T any](ctx context.Context, e *Engine, op, path string, body any, check func(*T) error) error {
	return used(plainly(e.do(ctx, op, remote.Repeatable, func(ctx context.Context) error {
		r, err := call[T](ctx, e, http.MethodPut, path, body)
		if err != nil {
			return err
		}
		return check(r.Data)
	})))
}

// pinned returns the version that a key stays at, 0 for none.
func pinned(k *remote.Reference) int {
	n, _ := strconv.Atoi(k.Version) // this package wrote it
	return n
}

// present returns b, or an empty slice for nil: in JSON that is "", and not
// null, which Transit takes for nothing at all.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// sign signs a digest, or a message with Ed25519.
func (e *Engine) sign(ctx context.Context, k *remote.Reference, a alg.Algorithm, m engine.Message) (signature []byte, err error) {
	info := a.Info()
	req := wire.SignRequest{
		Input: present(m.Bytes), KeyVersion: pinned(k), HashAlgorithm: wire.HashName(info.Hash), Prehashed: info.Hash != 0,
		SignatureAlgorithm: wire.SchemeName(info.Scheme), SaltLength: salt(info), MarshalingAlgorithm: marshaling(info),
	}
	err = ask(ctx, e, "Sign", "sign/"+k.Name, req, func(s *wire.Signature) error {
		signature = s.Signature.Bytes
		return made(k, s.Signature)
	})
	return signature, err
}

// salt and marshaling return what only some schemes have a word for.
func salt(info alg.AlgorithmInfo) string {
	if info.Scheme == alg.PSS {
		return wire.SaltHash
	}
	return ""
}

func marshaling(info alg.AlgorithmInfo) string {
	if info.Scheme == alg.ECDSA {
		return wire.MarshalASN1
	}
	return ""
}

// made checks that something was made with the version that was asked for.
func made(k *remote.Reference, v wire.Versioned) error {
	if want := pinned(k); v.Version == 0 || want != 0 && v.Version != want {
		return wrongAnswer("it was made with version %d of the key and not with %s", v.Version, k.Version)
	}
	return nil
}

// verify checks a signature or a code in the server.
func (e *Engine) verify(ctx context.Context, k *remote.Reference, a alg.Algorithm, m engine.Message, signature []byte) error {
	info := a.Info()
	given := &wire.Versioned{Version: pinned(k), Bytes: signature}
	req := wire.VerifyRequest{Input: present(m.Bytes)}
	if info.Usage == alg.GenerateVerifyMAC {
		req.HMAC, req.Algorithm = given, wire.HashName(info.Hash)
	} else {
		digest, err := m.Digest(a)
		if err != nil {
			return err
		}
		req.Input = present(digest)
		req.Signature, req.Prehashed, req.HashAlgorithm = given, info.Hash != 0, wire.HashName(info.Hash)
		req.SignatureAlgorithm, req.SaltLength, req.MarshalingAlgorithm = wire.SchemeName(info.Scheme), salt(info), marshaling(info)
	}
	valid := false
	err := ask(ctx, e, "Verify", "verify/"+k.Name, req, func(v *wire.Verified) error {
		valid = v.Valid
		return nil
	})
	if err == nil && !valid {
		return badSignature()
	}
	return err
}

// decrypt undoes RSAES-OAEP with SHA-256, the one that Transit has.
func (e *Engine) decrypt(ctx context.Context, k *remote.Reference, _ alg.Algorithm, ciphertext []byte) ([]byte, error) {
	return e.open(ctx, k, wire.DecryptRequest{Ciphertext: wire.Versioned{Version: pinned(k), Bytes: ciphertext}})
}

func (e *Engine) open(ctx context.Context, k *remote.Reference, req wire.DecryptRequest) (plaintext []byte, err error) {
	err = ask(ctx, e, "Decrypt", "decrypt/"+k.Name, req, func(d *wire.Decrypted) error {
		plaintext = d.Plaintext
		return nil
	})
	return plaintext, err
}

// gcmOverhead is by how many bytes a ciphertext of Transit is longer: the nonce
// and the tag.
const gcmOverhead = 12 + 16

// seal encrypts with the latest version of a key. The ciphertext is that of
// Transit in the compact form of package wire/vault.
func (e *Engine) seal(ctx context.Context, k *remote.Reference, plaintext, associated []byte) (ciphertext []byte, err error) {
	req := wire.EncryptRequest{Plaintext: present(plaintext), AssociatedData: associated, Type: wire.NeverMake}
	err = ask(ctx, e, "Encrypt", "encrypt/"+k.Name, req, func(c *wire.Ciphertext) error {
		if c.Ciphertext.Version == 0 || len(c.Ciphertext.Bytes) != len(plaintext)+gcmOverhead {
			return wrongAnswer("a ciphertext of %d bytes", len(c.Ciphertext.Bytes))
		}
		ciphertext = c.Ciphertext.Compact()
		return nil
	})
	return ciphertext, err
}

// unseal decrypts either form of a ciphertext.
func (e *Engine) unseal(ctx context.Context, k *remote.Reference, ciphertext, associated []byte) ([]byte, error) {
	c, err := wire.ParseCiphertext(ciphertext)
	if err != nil || len(c.Bytes) < gcmOverhead {
		return nil, badCiphertext()
	}
	return e.open(ctx, k, wire.DecryptRequest{Ciphertext: c, AssociatedData: associated})
}

// mac computes a code with the version that the key stays at.
func (e *Engine) mac(ctx context.Context, k *remote.Reference, a alg.Algorithm, message []byte) (code []byte, err error) {
	req := wire.HMACRequest{Input: present(message), Algorithm: wire.HashName(a.Info().Hash), KeyVersion: pinned(k)}
	err = ask(ctx, e, "MAC", "hmac/"+k.Name, req, func(h *wire.HMAC) error {
		code = h.HMAC.Bytes
		return made(k, h.HMAC)
	})
	return code, err
}
