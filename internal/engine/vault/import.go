package vault

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// Keys come into Transit by RSAES-OAEP and AES-KWP, under a key of 4,096 bits.
const (
	importWrapping = alg.WrapAESKeyWrapSHA256
	wrappingSpec   = alg.RSA4096
)

// Import brings a key into the server, encrypted under the mount's wrapping
// key. Transit imports under a name once, so that it can be tried again: the key
// that has the name then is proved to be the same.
func (e *Engine) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	if !e.Supports(kind.Spec, kind.Usage) {
		return engine.Material{}, unsupported(kind.Spec, kind.Usage)
	}
	p, err := engine.ParsePlain(kind.Spec, plain)
	if err != nil {
		return engine.Material{}, err
	}
	defer p.Wipe()
	name := remote.KeyName(ref)
	k, err := e.read(ctx, name)
	fresh := missing(err)
	if fresh {
		k, err = e.take(ctx, name, kind, p)
	}
	if err == nil {
		err = fits(name, k, kind)
	}
	if err != nil {
		return engine.Material{}, err
	}
	m, err := e.material(ref, k, kind)
	if err == nil {
		err = e.prove(ctx, k, kind, m, p)
	}
	if err != nil {
		return engine.Material{}, err
	}
	return m, nil
}

// take imports a key and reads what became of it.
func (e *Engine) take(ctx context.Context, name string, kind engine.Kind, p *engine.Plain) (*wire.Key, error) {
	under, err := e.wrappingKey(ctx)
	if err != nil {
		return nil, err
	}
	plain := p.Secret
	if p.Private != nil {
		if plain, err = engine.MarshalPlain(p.Private); err != nil {
			return nil, &fault.Error{Kind: fault.Internal, Op: "engine/vault.Import", Err: err}
		}
		defer clear(plain)
	}
	wrapped, err := transfer.Wrap(nil, under, importWrapping, plain)
	if err != nil {
		return nil, err
	}
	t, _ := wire.TypeOf(kind.Spec)
	req := wire.ImportRequest{Type: t.Name, Ciphertext: wrapped, HashFunction: wire.WrapHashName(transfer.Hash(importWrapping)), Exportable: kind.Exportable}
	err = e.do(ctx, "Import", remote.Repeatable, func(ctx context.Context) error {
		_, err := send[wire.Key](ctx, e, http.MethodPut, "keys/"+name+"/import", req, nil)
		return err
	})
	if err != nil && fault.KindOf(err) != fault.AlreadyExists { // by a request whose answer was lost, or by somebody else
		return nil, err
	}
	return e.read(ctx, name)
}

// wrappingKey returns the key under which keys are imported.
func (e *Engine) wrappingKey(ctx context.Context) (k *rsa.PublicKey, err error) {
	err = e.do(ctx, "WrappingKey", remote.Repeatable, func(ctx context.Context) error {
		r, err := call[wire.WrappingKey](ctx, e, http.MethodGet, "wrapping_key", nil)
		if err != nil {
			return err
		}
		spki, err := wire.ParsePublicKey(wrappingSpec, r.Data.PublicKey)
		if err != nil {
			return wrongAnswer("the wrapping key: %v", err)
		}
		public, err := engine.ParsePublic(wrappingSpec, spki)
		if err != nil {
			return wrongAnswer("the wrapping key: %v", err)
		}
		k, _ = public.Key().(*rsa.PublicKey) // the spec is RSA
		return nil
	})
	return k, err
}

// prove shows that the key in the server is the one that was to come in: by its
// public half, or by what it makes of random bytes.
func (e *Engine) prove(ctx context.Context, k *wire.Key, kind engine.Kind, m engine.Material, p *engine.Plain) error {
	var same bool
	if kind.Spec.Symmetric() {
		r, err := reference(k, k.LatestVersion, kind.Usage)
		if err != nil {
			return err
		}
		if same, err = e.compare(ctx, r, kind.Spec, p.Secret); err != nil {
			return err
		}
	} else {
		want, err := engine.MarshalPublic(kind.Spec, p.Public)
		if err != nil {
			return err
		}
		same = bytes.Equal(want, m.Public)
	}
	if !same {
		return fault.New(fault.Conflict, "the key service has a key %s already, which is not the one that is imported", k.Name)
	}
	return nil
}

// compare reports whether a symmetric key in the server has a secret.
func (e *Engine) compare(ctx context.Context, r *remote.Reference, spec alg.Spec, secret []byte) (bool, error) {
	probe := make([]byte, 32)
	_, _ = rand.Read(probe) // never fails
	if spec.Info().Family == alg.HMAC {
		a := spec.For(alg.GenerateVerifyMAC)[0]
		h := hmac.New(a.Info().Hash.New, secret)
		h.Write(probe)
		code, err := e.mac(ctx, r, a, probe)
		return hmac.Equal(code, h.Sum(nil)), err
	}
	sealed, err := e.seal(ctx, r, probe, nil)
	if err != nil {
		return false, err
	}
	c, err := wire.ParseCiphertext(sealed)
	if err != nil {
		return false, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return false, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return false, err
	}
	again, err := gcm.Open(nil, c.Bytes[:gcm.NonceSize()], c.Bytes[gcm.NonceSize():], nil)
	return err == nil && bytes.Equal(again, probe), nil
}
