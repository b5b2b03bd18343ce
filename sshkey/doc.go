// Package sshkey uses keys that stay where they are for SSH: as host and user
// keys, as certificate authorities, and through an agent.
//
// NewSigner makes a signer for golang.org/x/crypto/ssh of any crypto.Signer,
// SignCertificate makes certificates as OpenSSH reads them, and an Agent
// answers ssh, git and whatever else looks at SSH_AUTH_SOCK. RSA keys sign
// with SHA-2 only.
package sshkey
