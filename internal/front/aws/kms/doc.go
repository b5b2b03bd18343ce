// Package kms serves the AWS KMS API (TrentService, version 2014-11-01) over
// the door. Operations has what is implemented: route.go is the table, the
// other files have a group of operations each, with the declarations of their
// requests. docs/aws.md is the page for users, Divergences included.
//
// Not implemented: grants, data key pairs, key encapsulation, multi-region
// keys, external key stores, Nitro Enclaves (Recipient). Requests for them are
// refused by name.
package kms
