package vault

// The texts of errors by which clients tell what is wrong, as both products
// write them (OpenBao 2.6 sdk/helper/keysutil and its transit engine). Most are
// a part of the whole text.

// Texts with 400: there is no key of the name.
const (
	TextNoSigningKey   = "signing key not found"
	TextNoVerifyKey    = "signature verification key not found"
	TextNoKey          = "encryption key not found"
	TextNoExistingKey  = "no existing key named"
	TextDeleteNotFound = "could not delete key; not found"
	TextUnknownType    = "unknown key type"
)

// Texts with 400: the key is there and may not be used, or not so, or not that
// version of it.
const (
	TextSoftDeleted   = "refusing to use soft-deleted key"
	TextTooOld        = "is disallowed by policy (too old)"
	TextTooNew        = "version is too new"
	TextBelowMinimum  = "is less than the minimum encryption key version"
	TextAboveLatest   = "is higher than the latest key version"
	TextNoVersion     = "no such key version"
	TextNoPrivate     = "does not contain a private part"
	TextNotSupported  = "does not support"
	TextNotSupported2 = "not supported for key type"
)

// Texts with 400, and with 500 of RSA keys: a ciphertext is wrong.
const (
	TextBadCiphertext  = "invalid ciphertext"
	TextAuthentication = "message authentication failed"
	TextRSADecrypt     = "failed to RSA decrypt the ciphertext"
	TextNoPrefix       = "no prefix"
)

// Texts with 400: a signature or a code is wrong.
const (
	TextBadSignature      = "invalid signature"
	TextSuppliedSignature = "supplied signature"
	TextBase64Signature   = "invalid base64 signature value"
	TextBadHMAC           = "invalid HMAC"
)

// Texts of administration: of an import under a name that is taken, with 500,
// and of a deletion that was not allowed before, with 400.
const (
	TextImportExists = "the import path cannot be used with an existing key"
	TextNoDeletion   = "deletion is not allowed for this key"
)

// Texts of what is refused whatever the key: with 403, with 404 and 405 for what
// the product does not have, with 429, and with 503.
const (
	TextDenied       = "permission denied"
	TextInvalidToken = "invalid token"
	TextNoRoute      = "no handler for route"
	TextNoPath       = "unsupported path"
	TextNoOperation  = "unsupported operation"
	TextQuota        = "rate limit quota exceeded"
	TextSealed       = "Vault is sealed"
)
