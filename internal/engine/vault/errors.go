package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// classify says what an error of a request means.
func classify(err error) remote.Verdict {
	if f, ok := errors.AsType[*fault.Error](err); ok { // of a check made here
		return remote.Verdict{Kind: f.Kind, Reason: f.Reason, Public: f.Public}
	}
	v := remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true}
	var a *answer
	switch {
	case errors.Is(err, context.Canceled):
		return remote.Verdict{Kind: fault.Unavailable}
	case errors.As(err, &a):
		v = ofStatus(a)
	case errors.As(err, new(*tls.CertificateVerificationError)):
		v = remote.Verdict{Kind: fault.Unavailable, Down: true, Refused: true, Public: "the key service's certificate cannot be verified"}
	case dialing(err):
		v.Refused = true
	}
	if errors.As(err, new(*notIn)) { // nothing was sent but the login
		v.Refused = true
		if a == nil && !network(err) || a != nil && !v.Again {
			return remote.Verdict{Kind: fault.Unauthenticated}
		}
	}
	return v
}

// dialing reports whether an error is that no connection came about.
func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// network reports whether an error is of the way to the server, or of its
// answer, and not of a file or a setting here.
func network(err error) bool {
	_, odd := errors.AsType[strange](err)
	_, net := errors.AsType[net.Error](err)
	return odd || net || errors.Is(err, context.DeadlineExceeded)
}

// ofStatus reads an answer by its status, and by the texts that both products
// have for one status.
func ofStatus(a *answer) remote.Verdict {
	switch a.said.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return remote.Verdict{Kind: fault.PermissionDenied}
	case http.StatusBadRequest:
		return ofTexts(a, remote.Verdict{Kind: fault.InvalidArgument})
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return ofMissing(a)
	case http.StatusRequestEntityTooLarge:
		return remote.Verdict{Kind: fault.LimitExceeded}
	case http.StatusTooManyRequests:
		return remote.Verdict{Kind: fault.LimitExceeded, Again: true, After: a.after, Refused: true}
	case http.StatusServiceUnavailable, http.StatusPreconditionFailed, statusRecovery, statusStandby: // sealed, behind, or another node's affair
		return remote.Verdict{Kind: fault.Unavailable, Again: true, After: a.after, Refused: true, Down: true}
	}
	if a.said.Status < http.StatusInternalServerError {
		return remote.Verdict{Kind: fault.Internal}
	}
	return ofTexts(a, remote.Verdict{Kind: fault.Unavailable, Again: true, After: a.after, Down: true})
}

// Statuses of Vault's own: of a node for disaster recovery, and of one that only
// reads.
const (
	statusRecovery = 472
	statusStandby  = 473
)

// ofMissing reads an answer that something is not there.
func ofMissing(a *answer) remote.Verdict {
	switch {
	case a.said.Says(wire.TextNoRoute):
		return remote.Verdict{Kind: fault.Unavailable, Down: true, Public: "the key service has no Transit engine where it is told to be"}
	case a.said.Says(wire.TextNoPath), a.said.Says(wire.TextNoOperation), a.said.Status == http.StatusMethodNotAllowed:
		return remote.Verdict{Kind: fault.Unsupported}
	}
	return remote.Verdict{Kind: fault.NotFound}
}

// meaning is what a text in an answer says.
type meaning struct {
	text    string
	verdict remote.Verdict
}

var (
	gone    = remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Public: "the key is not in the key service where it should be"}
	retired = remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Public: "the key service does not let this version of the key be used any more"}

	// meanings are looked at in order. They come with 400, and some with 500: what
	// Transit's own code returns as a plain error.
	meanings = []meaning{
		{wire.TextSoftDeleted, remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyDisabled, Public: "the key is disabled in the key service"}},
		{wire.TextNoVerifyKey, gone},
		{wire.TextNoSigningKey, gone},
		{wire.TextNoKey, gone},
		{wire.TextUnknownType + " " + wire.NeverMake, gone},
		{wire.TextNoExistingKey, gone},
		{wire.TextDeleteNotFound, gone},
		{wire.TextTooOld, retired},
		{wire.TextBelowMinimum, retired},
		{wire.TextAboveLatest, retired},
		{wire.TextNoVersion, retired},
		{wire.TextNoPrivate, retired},
		{wire.TextRSADecrypt, remote.Verdict{Kind: fault.BadCiphertext}},
		{wire.TextBadCiphertext, remote.Verdict{Kind: fault.BadCiphertext}},
		{wire.TextAuthentication, remote.Verdict{Kind: fault.BadCiphertext}},
		{wire.TextBadSignature, remote.Verdict{Kind: fault.BadSignature}},
		{wire.TextSuppliedSignature, remote.Verdict{Kind: fault.BadSignature}},
		{wire.TextBase64Signature, remote.Verdict{Kind: fault.BadSignature}},
		{wire.TextBadHMAC, remote.Verdict{Kind: fault.BadSignature}},
		{wire.TextImportExists, remote.Verdict{Kind: fault.AlreadyExists}},
		{wire.TextNoDeletion, remote.Verdict{Kind: fault.WrongState}},
		{wire.TextUnknownType, remote.Verdict{Kind: fault.Unsupported}},
		{wire.TextNotSupported, remote.Verdict{Kind: fault.Unsupported}},
		{wire.TextNotSupported2, remote.Verdict{Kind: fault.Unsupported}},
	}
)

// ofTexts returns the verdict of the first text that is known, or another.
func ofTexts(a *answer, other remote.Verdict) remote.Verdict {
	for _, m := range meanings {
		if a.said.Says(m.text) {
			return m.verdict
		}
	}
	return other
}

// plainly returns an error of a decryption or a verification as every engine
// gives it: nothing of why it failed goes with it.
func plainly(err error) error {
	switch fault.KindOf(err) { //nolint:exhaustive // the others stay as they are
	case fault.BadCiphertext:
		return badCiphertext()
	case fault.BadSignature:
		return badSignature()
	}
	return err
}

func badCiphertext() error {
	return fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key")
}

func badSignature() error { return fault.New(fault.BadSignature, "the signature does not verify") }

// used is an error of the use of a key, or of its administration, that was
// there: that it is not is its state.
func used(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return &fault.Error{Kind: gone.Kind, Reason: gone.Reason, Op: "engine/vault", Public: gone.Public, Err: err}
	}
	return err
}
