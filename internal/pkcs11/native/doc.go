// Package native loads PKCS #11 libraries into this process, without cgo
// (through purego). A library that crashes, hangs or writes where it should not
// harms this whole process: servers use package worker, which runs package
// native in a process of its own.
//
// Start with Open. The package is internal and may change with any release.
package native
