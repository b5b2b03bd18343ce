// Package files has the commands that encrypt files for keys that may be
// anywhere: encrypt, decrypt, rewrap and inspect. encrypt.go and rewrap.go have
// the commands, key.go is how a URI becomes a recipient and which URIs of a
// stranger's file are followed, and place.go says where results go.
//
// The package is internal and may change with any release.
package files

import "github.com/holdfast-kms/holdfast/internal/terminal"

// app is what the package's commands share.
type app struct{ *terminal.App }
