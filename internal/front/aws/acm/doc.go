// Package acm serves the part of AWS Certificate Manager (CertificateManager,
// version 2015-12-08) that private and imported certificates need, over
// managed certificates. Operations has what is implemented: route.go is the
// table, the other files have a group of operations each, with the
// declarations of their requests. docs/aws.md is the page for users,
// Divergences included.
//
// Not implemented: public certificates with their validation of domains, ACME
// endpoints, and SearchCertificates. Requests for them are refused by name.
package acm
