package hsm

import (
	"context"
	"errors"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// class says what a failed call means for whoever made it, the worse the
// higher.
type class uint8

const (
	// classRequest: the call went well, or its refusal is about the request.
	classRequest class = iota
	// classSuspect: the answer is one that libraries give both for a wrong
	// request (SoftHSM: a ciphertext that does not decrypt) and for a fault.
	classSuspect
	// classHandle: the object's handle is no longer good.
	classHandle
	// classLogin: nobody is logged in, or no longer.
	classLogin
	// classSession: the session is lost, or in a state that it must not be in.
	classSession
	// classDevice: the token does not work.
	classDevice
	// classAway: the token is not there.
	classAway
	// classGone: the module's process has ended, or cannot be used any more.
	classGone
	// classHung: the module did not answer in time.
	classHung
)

// classify says what an error of a call is.
func classify(err error) class {
	if err == nil {
		return classRequest
	}
	if rv, ok := errors.AsType[pkcs11.RV](err); ok {
		return classes[rv]
	}
	switch {
	case errors.Is(err, pkcs11.ErrHung), errors.Is(err, context.DeadlineExceeded):
		return classHung
	case errors.Is(err, pkcs11.ErrGone):
		return classGone
	}
	return classRequest // the call could not be made as it was
}

// classes has what is not about the request (PKCS #11 sections 5.1.1 to 5.1.6).
var classes = map[pkcs11.RV]class{
	pkcs11.RVGeneralError:   classSuspect,
	pkcs11.RVFunctionFailed: classSuspect,
	pkcs11.RVDeviceMemory:   classSuspect, // also what a full token says to who makes a key
	pkcs11.RVHostMemory:     classSuspect,

	pkcs11.RVKeyHandleInvalid:           classHandle,
	pkcs11.RVObjectHandleInvalid:        classHandle,
	pkcs11.RVWrappingKeyHandleInvalid:   classHandle,
	pkcs11.RVUnwrappingKeyHandleInvalid: classHandle,

	pkcs11.RVUserNotLoggedIn: classLogin,

	pkcs11.RVSessionClosed:           classSession,
	pkcs11.RVSessionHandleInvalid:    classSession,
	pkcs11.RVOperationActive:         classSession,
	pkcs11.RVOperationNotInitialized: classSession,
	pkcs11.RVOperationCancelFailed:   classSession,
	pkcs11.RVFunctionCanceled:        classSession,
	pkcs11.RVCancel:                  classSession,

	pkcs11.RVDeviceError: classDevice,

	pkcs11.RVDeviceRemoved:      classAway,
	pkcs11.RVTokenNotPresent:    classAway,
	pkcs11.RVTokenNotRecognized: classAway,
	pkcs11.RVSlotIDInvalid:      classAway,

	pkcs11.RVCryptokiNotInitialized: classGone,
	pkcs11.RVMutexBad:               classGone,
	pkcs11.RVMutexNotLocked:         classGone,
	pkcs11.RVCantLock:               classGone,
}

// changes reports whether a call changes the token: what it makes, changes or
// destroys outlives the session. Only such calls are never made twice.
func changes(c *pkcs11.Call) bool {
	switch c.Function {
	case pkcs11.FnInitToken, pkcs11.FnInitPIN, pkcs11.FnSetPIN, pkcs11.FnSetAttributes,
		pkcs11.FnDestroyObject, pkcs11.FnCopyObject:
		return true
	case pkcs11.FnCreateObject, pkcs11.FnGenerateKey, pkcs11.FnGenerateKeyPair, pkcs11.FnUnwrap, pkcs11.FnDerive:
		return ofToken(c.Template) || ofToken(c.Private)
	default:
		return false
	}
}

// ofToken reports whether a template is of an object that stays in the token.
func ofToken(template []pkcs11.Attribute) bool {
	for _, a := range template {
		if a.Type == pkcs11.AttrToken && a.True() {
			return true
		}
	}
	return false
}
