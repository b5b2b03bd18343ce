// Package secretsmanager serves AWS Secrets Manager (secretsmanager, version
// 2017-10-17). Operations has what is implemented: route.go is the table, the
// other files have a group of operations each, with the declarations of their
// requests. docs/aws-secretsmanager.md is the page for users, Divergences
// included.
//
// Not implemented: rotation by functions, replication to other regions, and
// the types of secrets of AWS's partners. Requests for them are refused by
// name.
package secretsmanager
