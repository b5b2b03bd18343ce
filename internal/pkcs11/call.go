package pkcs11

import "context"

// Module runs calls of one PKCS #11 library, in this process (package native)
// or in another one (package worker). All methods may be called at the same
// time; calls of one session are made one after the other by whoever has it.
type Module interface {
	// Call runs a call and returns its result. A refusal by the library is an
	// RV. A module that is gone is ErrGone; one that does not answer before ctx
	// ends is ErrHung, and its session is lost.
	Call(ctx context.Context, c *Call) (*Result, error)
	// Close ends the library (C_Finalize), and its process if it has one.
	Close() error
}

// Call is a call, or a short sequence of calls that only make sense together:
// FnSign is C_SignInit and C_Sign, FnFind C_FindObjectsInit, C_FindObjects and
// C_FindObjectsFinal. Which fields it has follows from the function.
type Call struct {
	Function  Function
	Slot      SlotID
	Session   SessionHandle
	Mechanism Mechanism
	// Key is the object that does it, Subject the one to which it is done.
	Key, Subject Object
	// Template is of the new object, or of what is looked for; Private that of
	// the private half of a new pair.
	Template, Private []Attribute
	// Types are the attributes that are asked for.
	Types []AttributeType
	// Data is what is signed, encrypted, unwrapped; a PIN; a token's label.
	Data []byte
	// Extra is a signature to verify, the new PIN, the PIN of the security
	// officer.
	Extra []byte
	// User is who logs in. FnSign, FnEncrypt and FnDecrypt with
	// UserContextSpecific log in for this one operation, with the PIN in Extra,
	// as keys with AttrAlwaysAuthenticate want it.
	User UserType
	// Flag is "read-write" of FnOpenSession, "only slots with a token" of FnSlots.
	Flag bool
	// Limit is how many objects FnFind returns at most, how many bytes FnRandom.
	Limit int
}

// Result is what a call gave.
type Result struct {
	// Handle is a new session or object, Private the private half of a new pair.
	Handle, Private uint64
	// Handles are what FnFind found, or the slots.
	Handles []uint64
	// Attributes are in the order of Types; one that the object does not have,
	// or does not show, has a nil Value.
	Attributes []Attribute
	Data       []byte
	Info       *Info
	Token      *TokenInfo
	Mechanisms []MechanismInfo
}

// Function says what a Call is.
type Function uint8

// The functions.
const (
	FnInfo            Function = iota + 1 // C_GetInfo
	FnSlots                               // C_GetSlotList
	FnTokenInfo                           // C_GetTokenInfo
	FnMechanisms                          // C_GetMechanismList, C_GetMechanismInfo of each
	FnInitToken                           // C_InitToken: Extra is the officer's PIN, Data the label
	FnInitPIN                             // C_InitPIN: Data is the user's PIN
	FnSetPIN                              // C_SetPIN: Data is the old, Extra the new PIN
	FnOpenSession                         // C_OpenSession
	FnCloseSession                        // C_CloseSession
	FnLogin                               // C_Login: User, Data is the PIN
	FnLogout                              // C_Logout
	FnFind                                // C_FindObjects…
	FnAttributes                          // C_GetAttributeValue of Subject
	FnSetAttributes                       // C_SetAttributeValue of Subject
	FnCreateObject                        // C_CreateObject
	FnCopyObject                          // C_CopyObject of Subject
	FnDestroyObject                       // C_DestroyObject of Subject
	FnGenerateKey                         // C_GenerateKey
	FnGenerateKeyPair                     // C_GenerateKeyPair
	FnSign                                // C_SignInit, C_Sign
	FnVerify                              // C_VerifyInit, C_Verify
	FnEncrypt                             // C_EncryptInit, C_Encrypt
	FnDecrypt                             // C_DecryptInit, C_Decrypt
	FnWrap                                // C_WrapKey: Subject under Key
	FnUnwrap                              // C_UnwrapKey: Data by Key
	FnDerive                              // C_DeriveKey of Key
	FnRandom                              // C_GenerateRandom
	FnSeed                                // C_SeedRandom
	lastFunction
)
