// Package client is the Go client of Holdfast's own API: keys, identities,
// authorities, certificates and the audit log of one server.
//
// Start with FromEnvironment, which reads the variables that "holdfast dev"
// writes to its env file, or with New. A Client's methods are the API's
// operations, one for each; docs/native.md and docs/openapi.yaml describe
// them. A key is named by its id, by an alias with its "alias/" prefix, or by
// an ARN of either.
//
//	c, err := client.FromEnvironment()
//	…
//	sig, err := c.Sign(ctx, "alias/release", &client.SignRequest{
//		Algorithm: "ECDSA_SHA_256", Form: "DIGEST", Message: digest[:],
//	})
//
// A Signer is a crypto.Signer over a key that stays in Holdfast, for a TLS
// server, x509.CreateCertificate and whatever else takes one.
//
// Failures that the server answers are *Error. Only requests that change
// nothing are tried again.
//
// The package follows semantic versioning; fields may be added to structs.
package client
