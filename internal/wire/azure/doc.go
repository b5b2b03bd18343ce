// Package azure is the vocabulary of Azure Key Vault and Managed HSM: the names
// of keys, algorithms and errors, the JSON of requests and answers, and the
// challenge by which a vault says where its tokens come from. It is pure: no
// network, no SDK, no decision.
//
// Start with Identifier and JSONWebKey. What the package reads of others it
// reads generously (versions of the API add fields), and it writes what the
// official clients write and take.
//
// The specifications are Microsoft's REST reference of Key Vault (api-version
// 2025-07-01), RFC 7517 and RFC 7518 for keys and algorithms, and RFC 6750 for
// the challenge. The package is internal and may change with any release.
package azure
