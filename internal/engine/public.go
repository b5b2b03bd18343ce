package engine

import (
	"crypto"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// PublicKey is the public half of a key, ready to verify and encrypt. It
// needs no engine: public keys are not secret.
type PublicKey struct {
	spec alg.Spec
	key  crypto.PublicKey
}

// Message is what a signature covers, in the form in which it came.
type Message struct {
	Form  alg.Form
	Bytes []byte
}
