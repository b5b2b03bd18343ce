package hsm

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// errVanished is noted when an object is no longer where it was found before.
var errVanished = errors.New("an object of the token is no longer there")

// errMiddle marks what failed in the middle of a change.
var errMiddle = errors.New("in the middle of a change")

// errLaunch says that the module could not be started.
var errLaunch = errors.New("the module does not start")

func (t *Token) unavailable(cause error, format string, args ...any) *fault.Error {
	return &fault.Error{
		Kind: fault.Unavailable, Op: "hsm", Err: cause,
		Public: fmt.Sprintf("token %q ", t.cfg.Name) + fmt.Sprintf(format, args...),
	}
}

// What callers are told who get no session.

func (t *Token) errClosed() error { return t.unavailable(nil, "is closed") }

func (t *Token) errQueueFull() error {
	return t.unavailable(nil, "has no free session, and %d callers wait for one already: try again later", t.cfg.Waiting)
}

func (t *Token) errWaited(cause error) error {
	return t.unavailable(cause, "had no free session in the time that the call has")
}

// errOpen is for callers while the circuit is open. t.mu is held.
func (t *Token) errOpen() error {
	c := &t.circuit
	text := "is out of reach since " + c.since.UTC().Format(time.RFC3339)
	if errors.Is(c.err, errInitialising) {
		return t.unavailable(c.err, "is being initialised")
	}
	if errors.Is(c.err, errNoPIN) {
		text = "cannot be logged in to: there is no PIN"
	}
	switch stateOf(c.err) {
	default:
	case StateAway:
		text = "is not in any slot of its module"
	case StateRefused:
		text = "refuses its PIN, which is not tried again before it is changed"
	case StateHung:
		text = "did not answer in time"
	}
	return t.unavailable(c.err, "%s: it is tried again without a restart", text)
}

// errFailed is for a caller whose attempts failed.
func (t *Token) errFailed(worst class, cause error) error {
	text := "does not work"
	switch worst {
	default:
	case classHandle:
		text = "no longer has the object as it was"
	case classLogin:
		text = "does not let anybody log in"
	case classSession:
		text = "has ended the session"
	case classAway:
		text = "has been taken away"
	case classGone:
		text = "has lost the process of its module"
	case classHung:
		text = "did not answer in time"
	}
	return t.unavailable(cause, "%s: try again later", text)
}

// errKeyLogin is for a caller whose key wants more than the token's login.
func (t *Token) errKeyLogin(cause error) error {
	text := "wants the PIN for each use of this key (CKA_ALWAYS_AUTHENTICATE), which is not supported"
	if t.cfg.PIN == nil {
		text = "wants a login for this, and no PIN is configured"
	}
	return &fault.Error{Kind: fault.Unsupported, Op: "hsm", Err: cause, Public: fmt.Sprintf("token %q %s", t.cfg.Name, text)}
}

// errUncertain is for a caller whose call may have changed the token before it
// failed.
func (t *Token) errUncertain(s *session) error {
	return t.unavailable(fmt.Errorf("%w: %w", errMiddle, s.err), "failed in the middle of a change: it is not known whether it was made, and it is not tried twice")
}

// refused turns what f returned, or a token's refusal in it, into an error for
// the caller.
func (t *Token) refused(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	rv, ok := errors.AsType[pkcs11.RV](err)
	if !ok {
		return err
	}
	r, ok := refusals[rv]
	if !ok {
		r = refusal{fault.Internal, fault.Unspecified, "refuses the call"}
	}
	return &fault.Error{
		Kind: r.kind, Reason: r.reason, Op: "hsm", Err: err,
		Public: fmt.Sprintf("token %q %s", t.cfg.Name, r.text),
	}
}

// refusal is what a token's answer means for a caller.
type refusal struct {
	kind   fault.Kind
	reason fault.Reason
	text   string
}

// refusals has the answers that are about the request, and those that were
// suspect and turned out to be about it.
var refusals = map[pkcs11.RV]refusal{
	pkcs11.RVEncryptedDataInvalid:  {fault.BadCiphertext, 0, "cannot decrypt this ciphertext"},
	pkcs11.RVEncryptedDataLenRange: {fault.BadCiphertext, 0, "cannot decrypt a ciphertext of this length"},
	pkcs11.RVAEADDecryptFailed:     {fault.BadCiphertext, 0, "cannot decrypt this ciphertext"},
	pkcs11.RVWrappedKeyInvalid:     {fault.BadCiphertext, 0, "cannot unwrap this key"},
	pkcs11.RVWrappedKeyLenRange:    {fault.BadCiphertext, 0, "cannot unwrap a key of this length"},
	pkcs11.RVSignatureInvalid:      {fault.BadSignature, 0, "finds the signature wrong"},
	pkcs11.RVSignatureLenRange:     {fault.BadSignature, 0, "finds the signature's length wrong"},

	pkcs11.RVDataInvalid:  {fault.InvalidArgument, 0, "does not take this data"},
	pkcs11.RVDataLenRange: {fault.InvalidArgument, fault.MessageTooLong, "does not take data of this length"},

	pkcs11.RVKeyFunctionNotPermitted: {fault.InvalidArgument, fault.WrongUsage, "does not let the key be used for this"},
	pkcs11.RVKeyTypeInconsistent:     {fault.InvalidArgument, fault.WrongAlgorithm, "has a key of another type there"},

	pkcs11.RVMechanismInvalid:      {fault.Unsupported, 0, "does not have the mechanism"},
	pkcs11.RVMechanismParamInvalid: {fault.Unsupported, 0, "does not have the mechanism with this parameter"},
	pkcs11.RVArgumentsBad:          {fault.Unsupported, 0, "does not take the call as it is"},
	pkcs11.RVFunctionNotSupported:  {fault.Unsupported, 0, "does not have the function"},
	pkcs11.RVCurveNotSupported:     {fault.Unsupported, 0, "does not have the curve"},
	pkcs11.RVDomainParamsInvalid:   {fault.Unsupported, 0, "does not have the curve"},
	pkcs11.RVKeySizeRange:          {fault.Unsupported, 0, "does not have keys of this size"},
	pkcs11.RVAttributeTypeInvalid:  {fault.Unsupported, 0, "does not have one of the attributes"},
	pkcs11.RVAttributeValueInvalid: {fault.Unsupported, 0, "does not take one of the attributes' values"},
	pkcs11.RVTemplateInconsistent:  {fault.Unsupported, 0, "does not take these attributes together"},
	pkcs11.RVRandomNoRNG:           {fault.Unsupported, 0, "has no random source"},

	pkcs11.RVKeyUnextractable:    {fault.WrongState, fault.NotExportable, "does not let the key leave"},
	pkcs11.RVKeyNotWrappable:     {fault.WrongState, fault.NotExportable, "does not let the key leave"},
	pkcs11.RVAttributeSensitive:  {fault.WrongState, fault.NotExportable, "does not let the value leave"},
	pkcs11.RVActionProhibited:    {fault.WrongState, 0, "prohibits this for the object"},
	pkcs11.RVSessionReadOnly:     {fault.WrongState, 0, "is open for reading only"},
	pkcs11.RVTokenWriteProtected: {fault.WrongState, 0, "is write-protected"},
	pkcs11.RVKeyExhausted:        {fault.WrongState, 0, "lets the key be used no more"},

	pkcs11.RVDeviceMemory:          {fault.LimitExceeded, 0, "has no memory left for this"},
	pkcs11.RVTokenResourceExceeded: {fault.LimitExceeded, 0, "has not enough left of something for this"},
	pkcs11.RVHostMemory:            {fault.Unavailable, 0, "has a module without memory for this"},
	pkcs11.RVGeneralError:          {fault.Unavailable, 0, "answers this call with an error, and others not"},
	pkcs11.RVFunctionFailed:        {fault.Unavailable, 0, "answers this call with an error, and others not"},
	pkcs11.RVFunctionRejected:      {fault.PermissionDenied, 0, "rejected the call"},
	pkcs11.RVPINIncorrect:          {fault.PermissionDenied, 0, "refuses the PIN"},
	pkcs11.RVPINLocked:             {fault.PermissionDenied, 0, "is locked"},
	pkcs11.RVPINLenRange:           {fault.InvalidArgument, 0, "does not take a PIN of this length"},
	pkcs11.RVPINInvalid:            {fault.InvalidArgument, 0, "does not take this PIN"},
}
