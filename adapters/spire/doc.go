// Package spire is a KeyManager of the SPIRE server: the keys of a trust domain's
// authorities are made and used where package holdfast reaches them, in a
// Holdfast server, a cloud, or a PKCS #11 token. The plug-in's program is
// cmd/spire-keymanager-holdfast:
//
//	go install github.com/holdfast-kms/holdfast/adapters/spire/cmd/spire-keymanager-holdfast@latest
//
// and the SPIRE server's configuration names it:
//
//	KeyManager "holdfast" {
//	    plugin_cmd = "/opt/spire/bin/spire-keymanager-holdfast"
//	    plugin_data {
//	        place     = "holdfast:///"
//	        keys_file = "/var/lib/spire/server/holdfast-keys.json"
//	    }
//	}
//
// The settings are
//
//	place          the URI of where the keys are to be, such as "awskms:///?region=eu-central-1"
//	keys_file      the path of the file that says which key is whose; it is made with the first key
//	prefix         how the names of the keys begin, 1 to 20 letters, digits and hyphens; "spire-" without it
//	deletion_days  how long a Holdfast server waits until it deletes a key that was replaced, 7 to 30; 7 without it
//
// Credentials come from the environment of the SPIRE server.
//
// # Which key is whose
//
// SPIRE names a key, such as "x509-CA-A", and makes it anew under the same name
// when it rotates. Most places do not replace a key under its name, so that each
// one that is made here has a name of its own: the prefix, SPIRE's name, and 13
// random characters. The file says which one is the current one, and what its
// public half is; a key that has become another one in the meantime is refused.
// SPIRE makes new keys when the file is lost.
// Servers that share a trust domain have a file each, as they have keys each.
//
// The file's version 1 is a JSON object:
//
//	{"version": 1, "place": URI, "keys": {SPIRE's name: {"uri": URI, "fingerprint": SHA-256 of the SubjectPublicKeyInfo, in hexadecimal}}}
//
// Files of this version are read by all later releases.
//
// # Keys that were replaced
//
// A key in a Holdfast server is scheduled for deletion when SPIRE has replaced
// it, and one in a file is removed. Package holdfast deletes nothing in other
// places: there the key's URI is logged, for an operator to delete it.
//
// The package follows semantic versioning.
package spire
