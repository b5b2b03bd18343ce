// Package pki publishes what everybody needs to check a certificate: the
// CRLs and certificates of authorities, at the addresses that certificates
// name (RFC 5280 sections 4.2.1.13 and 4.2.2.1).
//
//	GET, HEAD /pki/<authority id>.crl   application/pkix-crl   (RFC 2585 section 4.2)
//	GET, HEAD /pki/<authority id>.cer   application/pkix-cert  (RFC 2585 section 4.1)
//
// There is no authentication, no request body and no query. Answers carry an
// ETag, and a Cache-Control that keeps no cache beyond a CRL's nextUpdate.
// Start with New.
package pki
