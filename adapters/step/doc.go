// Package step is a KMS for step-ca, step and whatever else takes its keys from
// go.step.sm/crypto/kms: its keys are those that package holdfast opens, of a
// Holdfast server, of clouds, of PKCS #11 tokens, and of files.
//
// A program imports the package for its effect:
//
//	import _ "github.com/holdfast-kms/holdfast/adapters/step"
//
//	km, err := kms.New(ctx, kms.Options{Type: "holdfast"})
//	signer, err := km.CreateSigner(&apiv1.CreateSignerRequest{SigningKey: "holdfast:///alias/intermediate"})
//
// Names of keys are "holdfast:///alias/intermediate", a key of the server that
// the environment names; "holdfast://kms.example.com/alias/intermediate"; and
// "holdfast:uri=…" with any URI of package holdfast, percent-encoded. The KMS may
// be given a place by the URI in its options, as in
// "holdfast:uri=azurekms%3A%2F%2Fexample.vault.azure.net": then the name of a key
// in that place is enough.
//
// The package follows semantic versioning.
package step
