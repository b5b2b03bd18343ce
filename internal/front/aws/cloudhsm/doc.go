// Package cloudhsm serves AWS CloudHSM (BaldrApiService, version 2017-04-28)
// over clusters of PKCS #11 tokens. Operations has what is implemented:
// route.go is the table, the other files have a group of operations each, with
// the declarations of their requests. docs/aws-cloudhsm.md is the page for users,
// Divergences included.
//
// What an HSM's place in a network is (addresses, interfaces, security groups)
// is nothing that Holdfast has: such parameters are refused by name.
package cloudhsm
