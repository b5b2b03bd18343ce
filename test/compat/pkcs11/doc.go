// Package pkcs11 has the tests that run programs which speak PKCS #11 against
// the real binary: `holdfast dev` and, at a socket, `holdfast pkcs11 serve`,
// with the distribution's p11-kit-client.so as the module that they load. All
// tests share one server and one agent; each has keys of its own.
package pkcs11
