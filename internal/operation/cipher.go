package operation

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// raw reports whether an algorithm is a mode of AES whose parameters are the
// caller's.
func raw(a alg.Algorithm) bool { return a.Info().Usage == alg.RawEncryptDecrypt }

// onlyRaw refuses what goes with raw AES keys and no others.
func onlyRaw(p engine.CipherParameters) error {
	if p.Empty() {
		return nil
	}
	return fault.New(fault.InvalidArgument, "an initialisation vector, associated data and a tag's length go only with keys for %s", alg.RawEncryptDecrypt)
}

// noContext refuses an encryption context, which a raw ciphertext has no room
// for.
func noContext(pairs []key.Tag) error {
	if len(pairs) == 0 {
		return nil
	}
	return fault.New(fault.InvalidArgument, "an encryption context goes only with symmetric keys for %s", alg.EncryptDecrypt)
}

// encryptRaw is Encrypt by a mode of AES.
func (o *Operator) encryptRaw(ctx context.Context, v *guard.Visit, req *EncryptRequest) (*EncryptResult, error) {
	k, at, err := o.openRaw(ctx, v, &Use{Ref: req.Key, Action: key.Encrypt, Algorithm: req.Algorithm}, req.Context, len(req.Plaintext))
	if err != nil {
		return nil, err
	}
	result := &EncryptResult{Key: at.Key, Version: at.Key.Current(), Algorithm: req.Algorithm}
	step := Step(ctx, at, "engine.Encrypt")
	result.Ciphertext, err = k.Cipher.Encrypt(req.Algorithm, req.Cipher, req.Plaintext)
	step.End(err)
	return result, err
}

// decryptRaw is Decrypt by a mode of AES. There is no trying of a key's
// predecessors: most modes decrypt anything to something.
func (o *Operator) decryptRaw(ctx context.Context, v *guard.Visit, req *DecryptRequest) (*DecryptResult, error) {
	if (req.Key == alias.Ref{}) {
		return nil, keyRequired(req.Algorithm)
	}
	k, at, err := o.openRaw(ctx, v, &Use{Ref: req.Key, Action: key.Decrypt, Algorithm: req.Algorithm}, req.Context, len(req.Ciphertext))
	if err != nil {
		return nil, err
	}
	result := &DecryptResult{Key: at.Key, Version: at.Key.Current(), Algorithm: req.Algorithm}
	step := Step(ctx, at, "engine.Decrypt")
	result.Plaintext, err = k.Cipher.Decrypt(req.Algorithm, req.Cipher, req.Ciphertext)
	step.End(err)
	return result, err
}

// openRaw admits a use of a raw AES key for so many bytes, and opens the key.
func (o *Operator) openRaw(ctx context.Context, v *guard.Visit, u *Use, pairs []key.Tag, size int) (*engine.Key, *catalog.Entry, error) {
	u.Usage = alg.RawEncryptDecrypt
	e, err := o.admission.Admit(v, u)
	if err != nil {
		return nil, nil, err
	}
	if err := noContext(pairs); err != nil {
		return nil, nil, err
	}
	if size > MaxRawText {
		return nil, nil, fault.Because(fault.InvalidArgument, fault.MessageTooLong, "%s takes at most %d bytes in one request", u.Algorithm, MaxRawText)
	}
	NoteUse(v, e, u.Algorithm, e.Key.Current().Number)
	if err := Dry(v.Call); err != nil {
		return nil, nil, err
	}
	k, err := o.admission.Current(ctx, e)
	if err == nil && k.Cipher == nil {
		err = fault.New(fault.Unsupported, "the key does not have algorithm %s where it lives", u.Algorithm)
	}
	return k, e, err
}

func keyRequired(a alg.Algorithm) error {
	return fault.New(fault.InvalidArgument, "a key id is required to decrypt with %s", a)
}
