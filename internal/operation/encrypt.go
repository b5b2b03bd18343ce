package operation

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/ciphertext"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// Encrypt encrypts up to MaxPlaintext bytes: under a symmetric key to a
// ciphertext that names the key, or to an RSA key's public half. Under a raw AES
// key it encrypts up to MaxRawText bytes as the request says.
func (o *Operator) Encrypt(ctx context.Context, call *key.Call, req *EncryptRequest) (*EncryptResult, error) {
	return guard.Do(ctx, o.guard, call, key.Encrypt, func(v *guard.Visit) (*EncryptResult, error) {
		if raw(req.Algorithm) {
			return o.encryptRaw(ctx, v, req)
		}
		if err := onlyRaw(req.Cipher); err != nil {
			return nil, err
		}
		if err := noteContext(v, req.Context); err != nil {
			return nil, err
		}
		e, err := o.admission.Admit(v, &Use{
			Ref: req.Key, Action: key.Encrypt, Usage: alg.EncryptDecrypt, Algorithm: req.Algorithm,
			Attributes: policy.Attributes{Context: req.Context},
		})
		if err != nil {
			return nil, err
		}
		if err := checkLength("plaintext", req.Plaintext, MaxPlaintext); err != nil {
			return nil, err
		}
		if err := Dry(call); err != nil {
			return nil, err
		}
		result := &EncryptResult{Key: e.Key, Version: e.Key.Current(), Algorithm: req.Algorithm}
		NoteUse(v, e, req.Algorithm, result.Version.Number)
		result.Ciphertext, err = o.encrypt(ctx, e, req.Algorithm, req.Plaintext, req.Context)
		return result, err
	})
}

// encrypt encrypts under the current version of a key that was admitted.
func (o *Operator) encrypt(ctx context.Context, e *catalog.Entry, a alg.Algorithm, plaintext []byte, pairs []key.Tag) ([]byte, error) {
	if a == alg.AESGCM {
		return o.seal(ctx, e, plaintext, pairs)
	}
	if len(pairs) > 0 {
		return nil, fault.New(fault.InvalidArgument, "an encryption context goes only with symmetric keys")
	}
	if limit := e.Key.Spec.MaxPlaintext(a); limit > 0 && len(plaintext) > limit {
		return nil, e.At(fault.Because(fault.InvalidArgument, fault.MessageTooLong,
			"%s with a key of spec %s encrypts at most %d bytes", a, e.Key.Spec, limit))
	}
	public, err := e.Public(e.Key.Current())
	if err != nil {
		return nil, err
	}
	return public.Encrypt(a, plaintext)
}

// seal makes a symmetric ciphertext, in the format of package ciphertext.
func (o *Operator) seal(ctx context.Context, e *catalog.Entry, plaintext []byte, pairs []key.Tag) ([]byte, error) {
	n := e.Key.Current().Number
	k, err := o.admission.Open(ctx, e, n)
	if err != nil {
		return nil, err
	}
	step := Step(ctx, e, "engine.Encrypt")
	out, err := ciphertext.Header{Key: e.Key.Name.ID, Version: n}.Seal(k.AEAD, plaintext, pairs)
	step.End(err)
	return out, err
}

// Decrypt returns the plaintext of a ciphertext. A symmetric ciphertext names
// its key; a Key in the request must then be the same. By alg.RSARaw it does the
// private operation of RSA and undoes no padding; a raw AES key decrypts as the
// request says.
func (o *Operator) Decrypt(ctx context.Context, call *key.Call, req *DecryptRequest) (*DecryptResult, error) {
	return guard.Do(ctx, o.guard, call, key.Decrypt, func(v *guard.Visit) (*DecryptResult, error) {
		if raw(req.Algorithm) {
			return o.decryptRaw(ctx, v, req)
		}
		return o.decrypt(ctx, v, req, key.Decrypt, policy.Attributes{})
	})
}

// decrypt authorises the action, which is Decrypt or ReEncryptFrom, and
// decrypts: by an alias, also what was encrypted with the public halves of the
// keys that were under it before.
func (o *Operator) decrypt(
	ctx context.Context, v *guard.Visit, req *DecryptRequest, action key.Action, attributes policy.Attributes,
) (*DecryptResult, error) {
	if err := noteContext(v, req.Context); err != nil {
		return nil, err
	}
	if err := onlyRaw(req.Cipher); err != nil {
		return nil, err
	}
	attributes.Context = req.Context
	try := func(v *guard.Visit, at *catalog.Entry) (*DecryptResult, error) {
		return o.decryptAt(ctx, v, req, &Use{
			Ref: req.Key, At: at, Action: action, Usage: alg.EncryptDecrypt, Algorithm: req.Algorithm, Attributes: attributes,
		})
	}
	r, err := try(v, nil)
	if req.Algorithm == alg.RSARaw {
		return r, err // any key decrypts almost any number: that one did not tells nothing of the others
	}
	return succession.Back(ctx, o.line, v, &succession.Place{Ref: req.Key, Action: action}, r, err, try)
}

// decryptAt is decrypt at one key.
func (o *Operator) decryptAt(ctx context.Context, v *guard.Visit, req *DecryptRequest, u *Use) (*DecryptResult, error) {
	e, n, payload, err := o.source(v.Call, req, u.At)
	if err != nil {
		return nil, err
	}
	if err := o.admission.AdmitEntry(v, e, u); err != nil {
		return nil, err
	}
	NoteUse(v, e, req.Algorithm, n)
	version, err := e.Key.Version(n)
	if err != nil {
		return nil, fault.New(fault.BadCiphertext, "the ciphertext names a version that the key does not have")
	}
	if u.Action == key.Decrypt {
		if err := Dry(v.Call); err != nil {
			return nil, err
		}
	}
	k, err := o.admission.Open(ctx, e, n)
	if err != nil {
		return nil, err
	}
	result := &DecryptResult{Key: e.Key, Version: version, Algorithm: req.Algorithm}
	step := Step(ctx, e, "engine.Decrypt")
	if req.Algorithm == alg.AESGCM {
		result.Plaintext, err = ciphertext.Open(k.AEAD, req.Ciphertext[:ciphertext.HeaderSize], payload, req.Context)
	} else {
		result.Plaintext, err = engine.Decrypt(k.Decrypter, req.Algorithm, req.Ciphertext)
	}
	step.End(err)
	return result, err
}

// source finds the key and version that a ciphertext was made with, and the
// part of it that the engine made. at is the key where it is found already.
func (o *Operator) source(call *key.Call, req *DecryptRequest, at *catalog.Entry) (*catalog.Entry, key.VersionNumber, []byte, error) {
	if at != nil {
		return at, at.Key.Current().Number, req.Ciphertext, nil
	}
	named := req.Key != alias.Ref{}
	if req.Algorithm != alg.AESGCM {
		if !named {
			return nil, 0, nil, keyRequired(req.Algorithm)
		}
		e, err := alias.Resolve(o.keys, call, req.Key)
		if err != nil {
			return nil, 0, nil, err
		}
		return e, e.Key.Current().Number, req.Ciphertext, nil
	}
	h, payload, err := ciphertext.Parse(req.Ciphertext)
	if err != nil {
		return nil, 0, nil, err
	}
	if !named {
		e, ok := o.keys.Get(h.Key)
		if !ok || e.Key.Name.Region != call.Region {
			return nil, 0, nil, fault.Because(fault.PermissionDenied, fault.UnknownKey,
				"the ciphertext refers to a key that does not exist, does not exist in this region, or that the caller may not use")
		}
		return e, h.Version, payload, nil
	}
	e, err := alias.Resolve(o.keys, call, req.Key)
	if err != nil {
		return nil, 0, nil, err
	}
	if e.Key.Name.ID != h.Key {
		return nil, 0, nil, e.At(fault.Because(fault.InvalidArgument, fault.IncorrectKey,
			"the ciphertext was made with another key"))
	}
	return e, h.Version, payload, nil
}

// ReEncrypt decrypts and encrypts again in one step; the plaintext stays
// here. The caller needs ReEncryptFrom on the source and ReEncryptTo on the
// destination.
func (o *Operator) ReEncrypt(ctx context.Context, call *key.Call, req *ReEncryptRequest) (*ReEncryptResult, error) {
	return guard.Do(ctx, o.guard, call, key.ReEncryptFrom, func(v *guard.Visit) (*ReEncryptResult, error) {
		to, err := alias.Resolve(o.keys, call, req.Destination.Key)
		if err != nil {
			return nil, err
		}
		same := false
		if from, _, _, err := o.source(call, &req.Source, nil); err == nil {
			same = from.Key.Name == to.Key.Name
			v.Note("source", from.Key.Name.String())
		}
		source, err := o.decrypt(ctx, v, &req.Source, key.ReEncryptFrom, policy.Attributes{ReEncryptSame: &same})
		if err != nil {
			return nil, err
		}
		defer clear(source.Plaintext)
		if err := noteContext(v, req.Destination.Context); err != nil {
			return nil, err
		}
		err = o.admission.AdmitEntry(v, to, &Use{
			Ref: req.Destination.Key, Action: key.ReEncryptTo, Usage: alg.EncryptDecrypt,
			Algorithm:  req.Destination.Algorithm,
			Attributes: policy.Attributes{Context: req.Destination.Context, ReEncryptSame: &same},
		})
		if err != nil {
			return nil, err
		}
		if err := Dry(call); err != nil {
			return nil, err
		}
		result := &ReEncryptResult{
			Source:      DecryptResult{Key: source.Key, Version: source.Version, Algorithm: source.Algorithm},
			Destination: EncryptResult{Key: to.Key, Version: to.Key.Current(), Algorithm: req.Destination.Algorithm},
		}
		result.Destination.Ciphertext, err = o.encrypt(
			ctx, to, req.Destination.Algorithm, source.Plaintext, req.Destination.Context)
		return result, err
	})
}

// GenerateDataKey returns random bytes and their ciphertext under a symmetric
// key, so that a caller can encrypt data of any size itself.
func (o *Operator) GenerateDataKey(ctx context.Context, call *key.Call, req *DataKeyRequest) (*DataKeyResult, error) {
	action := key.GenerateDataKey
	if req.WithoutPlaintext {
		action = key.GenerateDataKeyWithoutPlaintext
	}
	return guard.Do(ctx, o.guard, call, action, func(v *guard.Visit) (*DataKeyResult, error) {
		if err := noteContext(v, req.Context); err != nil {
			return nil, err
		}
		e, err := o.admission.Admit(v, &Use{
			Ref: req.Key, Action: action, Usage: alg.EncryptDecrypt, Algorithm: alg.AESGCM,
			Attributes: policy.Attributes{Context: req.Context, DataKeyBits: req.Bytes * 8},
		})
		if err != nil {
			return nil, err
		}
		if req.Bytes < 1 || req.Bytes > MaxRandom {
			return nil, fault.New(fault.InvalidArgument, "a data key must have 1 to %d bytes", MaxRandom)
		}
		if err := Dry(call); err != nil {
			return nil, err
		}
		v.NoteInt("bytes", req.Bytes)
		NoteUse(v, e, alg.AESGCM, e.Key.Current().Number)
		plaintext := make([]byte, req.Bytes)
		if err := o.engines.Default().Random(ctx, plaintext); err != nil {
			return nil, err
		}
		result := &DataKeyResult{EncryptResult: EncryptResult{
			Key: e.Key, Version: e.Key.Current(), Algorithm: alg.AESGCM,
		}}
		if result.Ciphertext, err = o.seal(ctx, e, plaintext, req.Context); err != nil {
			return nil, err
		}
		if req.WithoutPlaintext {
			clear(plaintext)
		} else {
			result.Plaintext = plaintext
		}
		return result, nil
	})
}
