package pkcs11

import "fmt"

// Valid reports whether there is such a function.
func (f Function) Valid() bool { return f > 0 && f < lastFunction }

// String returns the standard's name of the function, or of the main one of
// a sequence.
func (f Function) String() string {
	if f.Valid() {
		return "C_" + functionNames[f]
	}
	return fmt.Sprintf("function %d", uint8(f))
}

var functionNames = [lastFunction]string{
	FnInfo:            "GetInfo",
	FnSlots:           "GetSlotList",
	FnTokenInfo:       "GetTokenInfo",
	FnMechanisms:      "GetMechanismList",
	FnInitToken:       "InitToken",
	FnInitPIN:         "InitPIN",
	FnSetPIN:          "SetPIN",
	FnOpenSession:     "OpenSession",
	FnCloseSession:    "CloseSession",
	FnLogin:           "Login",
	FnLogout:          "Logout",
	FnFind:            "FindObjects",
	FnAttributes:      "GetAttributeValue",
	FnSetAttributes:   "SetAttributeValue",
	FnCreateObject:    "CreateObject",
	FnCopyObject:      "CopyObject",
	FnDestroyObject:   "DestroyObject",
	FnGenerateKey:     "GenerateKey",
	FnGenerateKeyPair: "GenerateKeyPair",
	FnSign:            "Sign",
	FnVerify:          "Verify",
	FnEncrypt:         "Encrypt",
	FnDecrypt:         "Decrypt",
	FnWrap:            "WrapKey",
	FnUnwrap:          "UnwrapKey",
	FnDerive:          "DeriveKey",
	FnRandom:          "GenerateRandom",
	FnSeed:            "SeedRandom",
}
