package cluster

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Claim is what makes a cluster its owner's, in PEM.
type Claim struct {
	// Certificate is for the cluster's request, issued by Anchor, which is
	// self-signed.
	Certificate, Anchor []byte
}

// Initialise claims a cluster. The certificate has to be for the key of the
// cluster's request and to verify under the anchor now. It makes a backup.
func (s *Service) Initialise(ctx context.Context, call *key.Call, id string, claim *Claim) (*Cluster, error) {
	return guard.Do(ctx, s.guard, call, key.InitializeCluster, func(v *guard.Visit) (*Cluster, error) {
		c, err := s.visit(ctx, v, key.InitializeCluster, id, nil)
		if err != nil {
			return nil, err
		}
		if err := c.claimable(); err != nil {
			return nil, err
		}
		certificate, anchor, err := claim.verify(c.Request, s.now())
		if err != nil {
			return nil, err
		}
		v.Note("serial", certificate.SerialNumber.Text(16))
		s.examine(ctx, c)
		serving := len(c.Serving()) > 0
		c.Certificate, c.Anchor = certificate.Raw, anchor.Raw // for the backup
		backup := s.record(ctx, c, "")
		c.Certificate, c.Anchor = nil, nil
		c, err = s.commit(ctx, v, c, func(tx store.Tx, c *Cluster) error {
			if err := c.claimable(); err != nil {
				return err
			}
			c.Certificate, c.Anchor, c.Request = certificate.Raw, anchor.Raw, nil
			if serving {
				c.activate(s.now())
			}
			if tx == nil {
				return nil
			}
			return putBackup(tx, backup)
		})
		if err != nil {
			return nil, err
		}
		s.examine(ctx, c)
		return c, nil
	})
}

// claimable refuses a cluster that is claimed, or cannot be yet.
func (c *Cluster) claimable() error {
	var text string
	switch {
	case c.Certificate != nil:
		text = "the cluster is initialised already"
	case c.Request == nil:
		text = "the cluster has no HSM yet, and so no certificate request"
	default:
		return nil
	}
	return &fault.Error{Kind: fault.WrongState, Resource: c.Resource().String(), Public: text}
}

// verify returns the claim's certificates if they fit the request.
func (claim *Claim) verify(request []byte, now time.Time) (certificate, anchor *x509.Certificate, err error) {
	if certificate, err = parsePEM("signed certificate", claim.Certificate); err != nil {
		return nil, nil, err
	}
	if anchor, err = parsePEM("trust anchor", claim.Anchor); err != nil {
		return nil, nil, err
	}
	asked, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, nil, err
	}
	if public, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(asked.PublicKey) {
		return nil, nil, fault.Because(fault.InvalidArgument, fault.CertificateMismatch, "the signed certificate is not for the cluster's request")
	}
	if !bytes.Equal(anchor.RawIssuer, anchor.RawSubject) || anchor.CheckSignatureFrom(anchor) != nil {
		return nil, nil, malformed("the trust anchor is not a self-signed certificate of an authority")
	}
	if certificate.CheckSignatureFrom(anchor) != nil || !bytes.Equal(certificate.RawIssuer, anchor.RawSubject) {
		return nil, nil, malformed("the signed certificate is not issued by the trust anchor")
	}
	for _, x := range []*x509.Certificate{certificate, anchor} {
		if now.Before(x.NotBefore) || now.After(x.NotAfter) {
			return nil, nil, malformed("a certificate is not valid now: it is from %s to %s",
				x.NotBefore.Format(time.RFC3339), x.NotAfter.Format(time.RFC3339))
		}
	}
	return certificate, anchor, nil
}

func malformed(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.MalformedCertificate, format, args...)
}

// parsePEM reads one certificate in PEM, with nothing beside it that is PEM.
// Text before it, such as openssl writes, is skipped.
func parsePEM(what string, text []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, malformed("the %s is not a certificate in PEM", what)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, malformed("the %s has to be one certificate", what)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, malformed("the %s cannot be read", what)
	}
	return c, nil
}

// ParseAnchor reads a trust anchor in PEM.
func ParseAnchor(text []byte) (der []byte, err error) {
	c, err := parsePEM("trust anchor", text)
	if err != nil {
		return nil, err
	}
	return c.Raw, nil
}
