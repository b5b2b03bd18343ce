// Package pki publishes what everybody needs to check a certificate, at the
// addresses that certificates name (RFC 5280 sections 4.2.1.13 and 4.2.2.1).
//
//	GET  /pki/<id>.crl                 the list of revoked certificates of the authority with the id (RFC 2585)
//	GET  /pki/<id>/<shard>.crl         the list of one of its shards
//	GET  /pki/<id>/delta.crl           what changed since the list, where the authority makes deltas
//	GET  /pki/<id>/<shard>-delta.crl   the same of a shard
//	GET  /pki/<id>.cer                 the authority's certificate, DER
//	GET  /pki/<id>.pem                 with its issuers', up to the root's, PEM
//	GET  /pki/<id>/issuers.p7c         all certificates of its key: renewed and cross-signed ones (certs-only CMS)
//	POST /pki/<id>/ocsp                OCSP (RFC 6960 appendix A.1)
//	GET  /pki/<id>/ocsp/<base64>       OCSP (RFC 5019 section 5)
//	POST /pki/ocsp, GET /pki/ocsp/…    OCSP for all authorities
//
// HEAD is answered like GET. There is no authentication and no query. Answers
// carry an ETag, and a Cache-Control that keeps no cache beyond the nextUpdate
// of what it holds; an OCSP answer is kept for five minutes at most, so that a
// revocation is seen soon behind caches as well. Start with New.
package pki
