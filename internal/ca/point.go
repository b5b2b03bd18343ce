package ca

import (
	"crypto/x509"
	"hash/crc32"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Folders of published files: below it on the public listener, and in a
// bucket that has no path of its own (there it is AWS Private CA's name).
const (
	publicFolder = "pki"
	bucketFolder = "crl"
)

// ListFile returns the name, below a folder, of the file with a list of
// revoked certificates: of the authority with the id, or of a shard of it;
// with delta, what changed since that list (RFC 5280 section 5.2.4).
func ListFile(id, shard string, delta bool) string {
	switch {
	case shard == "" && delta:
		return id + "/delta.crl"
	case shard == "":
		return id + ".crl"
	case delta:
		return id + "/" + shard + "-delta.crl"
	}
	return id + "/" + shard + ".crl"
}

// BucketFile returns the name of the list's file in the authority's bucket.
func (a *Authority) BucketFile(shard string, delta bool) string {
	folder := strings.Trim(a.Revocation.CRL.Path, "/")
	if folder == "" {
		folder = bucketFolder
	}
	return folder + "/" + ListFile(a.ID, shard, delta)
}

// ListURLs returns where everybody finds a list, the address that certificates
// name first; none where no public address is configured. There are two where
// certificates name another host: those issued before it was set name ours.
func (s *Service) ListURLs(a *Authority, shard string, delta bool) []string {
	var list []string
	if c := &a.Revocation.CRL; c.CustomName != "" {
		file := a.BucketFile(shard, delta)
		if c.Bucket == "" && c.Path == "" {
			file = publicFolder + "/" + ListFile(a.ID, shard, delta)
		}
		list = append(list, "http://"+strings.TrimSuffix(c.CustomName, "/")+"/"+file)
	}
	if s.publicURL != "" {
		list = append(list, s.publicURL+"/"+publicFolder+"/"+ListFile(a.ID, shard, delta))
	}
	return slices.Compact(list)
}

// ResponderURL returns where everybody asks for the status of one of the
// authority's certificates (RFC 6960), "" where no public address is
// configured.
func (s *Service) ResponderURL(a *Authority) string {
	if name := a.Revocation.OCSP.CustomName; name != "" {
		return "http://" + strings.TrimSuffix(name, "/") + "/" + publicFolder + "/" + a.ID + "/ocsp"
	}
	if s.publicURL == "" {
		return ""
	}
	return s.publicURL + "/" + publicFolder + "/" + a.ID + "/ocsp"
}

// pointTo writes into the template, whose serial number is set, where the
// status of the certificate is published (RFC 5280 sections 4.2.1.13 and
// 4.2.2.1), as the issuer's configuration says. That a list has a delta is
// told by the list (section 5.2.6), not by certificates (section 4.2.1.15): a
// certificate cannot be told when the authority stops making them.
func (s *Service) pointTo(t *x509.Certificate, issuer *authority) {
	c := &issuer.Revocation
	if urls := s.ListURLs(&issuer.Authority, s.shard(issuer, t.SerialNumber), false); len(urls) > 0 && c.CRL.Enabled && !c.CRL.OmitDistributionPoint {
		t.CRLDistributionPoints = urls[:1]
	}
	if url := s.ResponderURL(&issuer.Authority); url != "" && c.OCSP.Enabled {
		t.OCSPServer = []string{url}
	}
	if s.publicURL != "" {
		t.IssuingCertificateURL = []string{s.publicURL + "/" + publicFolder + "/" + issuer.ID + ".cer"}
	}
}

// shard returns the part of the authority's revocations that a new
// certificate belongs to, for good: its distribution point names that part's
// list. Without distribution points there is nothing to divide.
func (s *Service) shard(a *authority, serial *big.Int) string {
	c := &a.Revocation.CRL
	if c.Shards == 0 || !c.Enabled || c.OmitDistributionPoint || s.publicURL == "" && c.CustomName == "" {
		return ""
	}
	return strconv.Itoa(1 + int(crc32.ChecksumIEEE(serial.Bytes())%uint32(c.Shards))) //nolint:gosec // at most MaxCRLShards
}
