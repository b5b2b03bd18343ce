// Package byok brings keys of other people's making into the real binary, and
// has OpenSSL judge what they do there. The keys are made and wrapped by the
// openssl command alone; they come in over the AWS API (ImportKeyMaterial) and
// as .byok transfer blobs of the command line. After each test its keys are
// looked for in the server's files and log, where none may be.
//
// Start with TestImport and TestTransfer.
package byok
