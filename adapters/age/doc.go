// Package age encrypts files in the age format for keys that package holdfast
// opens: keys of a Holdfast server, of clouds, of PKCS #11 tokens, and of files.
// The program age uses it by the plug-in in cmd/age-plugin-holdfast:
//
//	go install github.com/holdfast-kms/holdfast/adapters/age/cmd/age-plugin-holdfast@latest
//	age-plugin-holdfast identity 'awskms:///alias/backup?region=eu-central-1' > backup.txt
//	age -e -i backup.txt -o secrets.age secrets
//	age -d -i backup.txt secrets.age
//	age -d -j holdfast secrets.age    # by the keys that the file itself names
//
// A program takes NewRecipient and NewIdentity as they are:
//
//	identity, err := age.NewIdentity("holdfast:///alias/backup")
//	recipient, err := identity.Recipient(ctx)
//
// # What is in a file
//
// How the file key is wrapped is a matter of the key, and is done by package
// envelope, with "age-encryption.org/v1/holdfast" as its binding:
//
//	symmetric                       AEAD               the place is asked
//	RSA                             RSA-OAEP-SHA256    here; SHA-1 where the key has nothing else
//	P-384, P-521, X25519 (ECDH)     HPKE-P384, …       here
//	P-256 (ECDH)                    age's own p256tag  here; who encrypts needs no plug-in
//
// The stanza is
//
//	-> holdfast METHOD URI
//	WRAPPED
//
// and the URI in it says where the key is to whoever has the file.
//
// # Strings
//
// An identity, AGE-PLUGIN-HOLDFAST-1…, is a byte that is 1 and the URI of the
// key. It is no secret: whoever has it still needs the credentials that the
// environment has for the place. Without any bytes it stands for the keys that a
// file names.
//
// A recipient, age1holdfast1…, is a byte that is 1, the method after its length
// in a byte, the URI after its length in two bytes (big-endian), and the public
// half (SubjectPublicKeyInfo in DER), empty of a symmetric key. That of a key on
// P-256 is age's own, age1tag1….
//
// Strings and files of this version are read by all later releases. The Go API
// follows semantic versioning.
package age
