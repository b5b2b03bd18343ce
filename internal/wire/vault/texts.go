package vault

// The texts of errors by which clients tell what is wrong, as both products
// write them (OpenBao 2.6 sdk/helper/keysutil and the transit engine).
const (
	// With 400: there is no key of the name.
	TextNoSigningKey   = "signing key not found"
	TextNoVerifyKey    = "signature verification key not found"
	TextNoKey          = "encryption key not found"
	TextNoExistingKey  = "no existing key named"
	TextDeleteNotFound = "could not delete key; not found"
	TextUnknownType    = "unknown key type"
	// With 400: the key is there and may not be used, or not that version of it.
	TextSoftDeleted   = "refusing to use soft-deleted key"
	TextTooOld        = "is disallowed by policy (too old)"
	TextTooNew        = "version is too new"
	TextBelowMinimum  = "is less than the minimum encryption key version"
	TextAboveLatest   = "is higher than the latest key version"
	TextNoVersion     = "no such key version"
	TextNoPrivate     = "does not contain a private part"
	TextNotSupported  = "does not support"
	TextNotSupported2 = "not supported for key type"
	// With 400, and with 500 from RSA keys: a ciphertext is wrong.
	TextBadCiphertext  = "invalid ciphertext"
	TextAuthentication = "message authentication failed"
	TextRSADecrypt     = "failed to RSA decrypt the ciphertext"
	TextNoPrefix       = "no prefix"
	// With 400: a signature is wrong.
	TextBadSignature      = "invalid signature"
	TextSuppliedSignature = "supplied signature"
	TextBase64Signature   = "invalid base64 signature value"
	TextBadHMAC           = "invalid HMAC"
	// With 500: an import under a name that is taken; with 400 or 500: a deletion
	// that was not allowed before.
	TextImportExists = "the import path cannot be used with an existing key"
	TextNoDeletion   = "deletion is not allowed for this key"
	// With 403.
	TextDenied       = "permission denied"
	TextInvalidToken = "invalid token"
	// With 404 and 405: what the product does not have.
	TextNoRoute     = "no handler for route"
	TextNoPath      = "unsupported path"
	TextNoOperation = "unsupported operation"
	// With 429.
	TextQuota = "rate limit quota exceeded"
	// With 503.
	TextSealed = "Vault is sealed"
)
