// Package hsm uses keys that live in SoftHSM2 through the real binary: made
// there, adopted from there, under certificate authorities, and while the
// token goes away, its PIN changes, and the process that holds its library
// hangs or is killed. OpenSSL and pkcs11-tool judge; the memory of the server
// is searched for keys that must never have been in it.
//
// Start with TestKeys. A machine without SoftHSM2 fails these tests:
// scripts/install-test-tools installs it.
package hsm
