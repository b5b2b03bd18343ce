// Package keyserver is the Keyless SSL key server alone ("holdfast keyless"),
// without a store: its keys are in files, in tokens and in key services, and its
// configuration is a gokeyless.yaml (docs/keyless.md).
//
// Start with Load and Open. config.go has the configuration, keys.go opens keys,
// session.go is one client's use of them. The protocol is package front/keyless.
//
// The package is internal and may change with any release.
package keyserver
