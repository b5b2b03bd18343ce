// Package sigstore has sigstore's libraries, and cosign by its plug-ins, sign
// with keys that package holdfast opens: keys of a Holdfast server, of clouds,
// of PKCS #11 tokens, and of files.
//
// A program imports the package for its effect, and names a key by a reference
// that begins with Scheme:
//
//	import _ "github.com/holdfast-kms/holdfast/adapters/sigstore"
//
//	sv, err := kms.Get(ctx, "holdfast://kms.example.com/alias/release", crypto.SHA256)
//
// "holdfast:///alias/release" is a key of the server that the environment
// names, and "holdfast://?uri=awskms:///alias/release" a key by any URI of
// package holdfast, percent-encoded where it has one of "%", "&", "+", "#" or ";".
//
// A program that was built without the package, such as cosign, finds the
// plug-in sigstore-kms-holdfast on the PATH for the same references; it is in
// cmd/sigstore-kms-holdfast:
//
//	go install github.com/holdfast-kms/holdfast/adapters/sigstore/cmd/sigstore-kms-holdfast@latest
//	cosign sign-blob --key holdfast:///alias/release artifact
//
// The package follows semantic versioning.
package sigstore
