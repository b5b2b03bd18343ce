package cryptoki

import (
	"context"
	"errors"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// rvOf returns what an application is told of an error: a pkcs11.RV as it is, a
// fault by its kind and reason. What nobody classified is CKR_FUNCTION_FAILED.
func rvOf(err error) pkcs11.RV {
	if err == nil {
		return pkcs11.RVOK
	}
	if v, ok := errors.AsType[pkcs11.RV](err); ok {
		return v
	}
	if v, ok := rvOfReason(fault.ReasonOf(err)); ok {
		return v
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return pkcs11.RVDeviceError
	}
	return rvOfKind(fault.KindOf(err))
}

func rvOfKind(k fault.Kind) pkcs11.RV {
	switch k {
	case fault.Internal:
		return pkcs11.RVFunctionFailed
	case fault.InvalidArgument:
		return pkcs11.RVArgumentsBad
	case fault.Unauthenticated:
		return pkcs11.RVUserNotLoggedIn
	case fault.PermissionDenied:
		return pkcs11.RVKeyFunctionNotPermitted
	case fault.NotFound:
		return pkcs11.RVObjectHandleInvalid
	case fault.AlreadyExists:
		return pkcs11.RVTemplateInconsistent
	case fault.WrongState:
		return pkcs11.RVKeyFunctionNotPermitted
	case fault.Conflict:
		return pkcs11.RVFunctionFailed
	case fault.Unsupported:
		return pkcs11.RVMechanismInvalid
	case fault.LimitExceeded:
		return pkcs11.RVTokenResourceExceeded
	case fault.BadCiphertext:
		return pkcs11.RVEncryptedDataInvalid
	case fault.BadSignature:
		return pkcs11.RVSignatureInvalid
	case fault.Unavailable:
		return pkcs11.RVDeviceError
	}
	return pkcs11.RVGeneralError
}

// rvOfReason has the reasons for which the standard has an answer of its own.
func rvOfReason(r fault.Reason) (pkcs11.RV, bool) {
	switch r { //nolint:exhaustive // the others are told by their kind
	case fault.WrongUsage:
		return pkcs11.RVKeyFunctionNotPermitted, true
	case fault.WrongAlgorithm:
		return pkcs11.RVMechanismInvalid, true
	case fault.DigestLength, fault.MessageTooLong:
		return pkcs11.RVDataLenRange, true
	case fault.UnfitPeer:
		return pkcs11.RVMechanismParamInvalid, true
	case fault.NotExportable:
		return pkcs11.RVKeyUnextractable, true
	case fault.WeakKey, fault.IncorrectMaterial:
		return pkcs11.RVAttributeValueInvalid, true
	case fault.IncorrectKey:
		return pkcs11.RVEncryptedDataInvalid, true
	}
	return 0, false
}
