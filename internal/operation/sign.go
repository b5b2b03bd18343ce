package operation

import (
	"context"
	"crypto/subtle"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// Sign signs a message or digest with the current version of a key.
func (o *Operator) Sign(ctx context.Context, call *key.Call, req *SignRequest) (*SignResult, error) {
	return guard.Do(ctx, o.guard, call, key.Sign, func(v *guard.Visit) (*SignResult, error) {
		e, err := o.admitMessage(v, key.Sign, req, nil)
		if err != nil {
			return nil, err
		}
		k, err := o.admission.Current(ctx, e)
		if err != nil {
			return nil, err
		}
		result := &SignResult{Key: e.Key, Version: e.Key.Current()}
		step := Step(ctx, e, "engine.Sign")
		result.Signature, err = engine.Sign(k.Signer, req.Algorithm, req.Message)
		step.End(err)
		return result, err
	})
}

// Verify returns nil for a right signature, and a BadSignature error for a
// wrong one. Signatures of every version of the key are right; by an alias,
// also those of the keys that were under it before, as long as they are enabled.
func (o *Operator) Verify(ctx context.Context, call *key.Call, req *VerifyRequest) (*key.Key, error) {
	return guard.Do(ctx, o.guard, call, key.Verify, func(v *guard.Visit) (*key.Key, error) {
		try := func(v *guard.Visit, at *catalog.Entry) (*key.Key, error) { return o.verify(v, req, at) }
		k, err := try(v, nil)
		return succession.Back(ctx, o.line, v, &succession.Place{Ref: req.Key, Action: key.Verify}, k, err, try)
	})
}

// verify is Verify at one key.
func (o *Operator) verify(v *guard.Visit, req *VerifyRequest, at *catalog.Entry) (*key.Key, error) {
	e, err := o.admitMessage(v, key.Verify, &req.SignRequest, at)
	if err != nil {
		return nil, err
	}
	for i := len(e.Key.Versions) - 1; i >= 0; i-- {
		public, err := e.Public(e.Key.Versions[i])
		if err != nil {
			return nil, err
		}
		err = public.Verify(req.Algorithm, req.Message, req.Signature)
		if err == nil || fault.KindOf(err) != fault.BadSignature {
			return e.Key, err
		}
	}
	return nil, fault.New(fault.BadSignature, "the signature is not right")
}

// admitMessage admits an operation on a message, at a key that is found
// already or, with nil, at the request's.
func (o *Operator) admitMessage(v *guard.Visit, action key.Action, req *SignRequest, at *catalog.Entry) (*catalog.Entry, error) {
	e, err := o.admission.Admit(v, &Use{
		Ref: req.Key, At: at, Action: action, Usage: alg.SignVerify, Algorithm: req.Algorithm,
		Attributes: policy.Attributes{Form: req.Message.Form}, Listed: req.Listed,
	})
	if err != nil {
		return nil, err
	}
	if err := checkMessage(e.Key.Spec, req.Algorithm, req.Message); err != nil {
		return nil, e.At(err)
	}
	NoteUse(v, e, req.Algorithm, e.Key.Current().Number)
	return e, Dry(v.Call)
}

// muSize is the length of ML-DSA's message representative (FIPS 204
// algorithm 7, line 6).
const muSize = 64

// checkMessage checks that a message has a form and a length that the
// algorithm takes with a key of the spec.
func checkMessage(spec alg.Spec, a alg.Algorithm, m engine.Message) error {
	if !a.Takes(m.Form) {
		return fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "%s does not take a message in this form", a)
	}
	switch {
	case m.Form == alg.Raw:
		return checkLength("message", m.Bytes, MaxPlaintext)
	case m.Form == alg.Digest:
		return engine.CheckDigest(spec, a, m.Bytes)
	case len(m.Bytes) != muSize:
		return fault.Because(fault.InvalidArgument, fault.DigestLength, "%s takes a digest of %d bytes", a, muSize)
	}
	return nil
}

// GenerateMAC returns the code of a message under an HMAC key.
func (o *Operator) GenerateMAC(ctx context.Context, call *key.Call, req *MACRequest) (*MACResult, error) {
	return guard.Do(ctx, o.guard, call, key.GenerateMAC, func(v *guard.Visit) (*MACResult, error) {
		return o.mac(ctx, v, key.GenerateMAC, req, nil)
	})
}

// VerifyMAC returns nil for a right code and a BadSignature error for a wrong
// one.
func (o *Operator) VerifyMAC(ctx context.Context, call *key.Call, req *VerifyMACRequest) (*key.Key, error) {
	return guard.Do(ctx, o.guard, call, key.VerifyMAC, func(v *guard.Visit) (*key.Key, error) {
		try := func(v *guard.Visit, at *catalog.Entry) (*key.Key, error) { return o.verifyMAC(ctx, v, req, at) }
		k, err := try(v, nil)
		return succession.Back(ctx, o.line, v, &succession.Place{Ref: req.Key, Action: key.VerifyMAC}, k, err, try)
	})
}

// verifyMAC is VerifyMAC at one key.
func (o *Operator) verifyMAC(ctx context.Context, v *guard.Visit, req *VerifyMACRequest, at *catalog.Entry) (*key.Key, error) {
	right, err := o.mac(ctx, v, key.VerifyMAC, &req.MACRequest, at)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(right.MAC, req.MAC) != 1 {
		return nil, fault.New(fault.BadSignature, "the code is not right")
	}
	return right.Key, nil
}

// mac authorises the action and computes the code.
func (o *Operator) mac(ctx context.Context, v *guard.Visit, action key.Action, req *MACRequest, at *catalog.Entry) (*MACResult, error) {
	e, err := o.admission.Admit(v, &Use{
		Ref: req.Key, At: at, Action: action, Usage: alg.GenerateVerifyMAC, Algorithm: req.Algorithm,
	})
	if err != nil {
		return nil, err
	}
	if err := checkLength("message", req.Message, MaxPlaintext); err != nil {
		return nil, err
	}
	NoteUse(v, e, req.Algorithm, e.Key.Current().Number)
	if err := Dry(v.Call); err != nil {
		return nil, err
	}
	k, err := o.admission.Current(ctx, e)
	if err != nil {
		return nil, err
	}
	result := &MACResult{Key: e.Key, Version: e.Key.Current()}
	step := Step(ctx, e, "engine.MAC")
	result.MAC, err = k.MAC.Sum(nil, req.Message)
	step.End(err)
	return result, err
}
