package cms

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// ErrVerification is in the chain of errors about messages with a signature
// that does not verify, or whose signer is not trusted.
var ErrVerification = errors.New("the message does not verify")

// Options say whom to trust.
type Options struct {
	// Roots are trusted; nil are the system's.
	Roots *x509.CertPool
	// Certificates may be signers' or intermediate ones, beside those of the
	// message.
	Certificates []*x509.Certificate
	// Time is when the certificates have to be valid; zero is now. What a
	// signer says about the time is not believed.
	Time time.Time
	// KeyUsages are the extended key usages of which a signer's certificate
	// has to have one; none: any will do.
	KeyUsages []x509.ExtKeyUsage
}

// Verified is a signature that verified.
type Verified struct {
	// Certificate is the signer's.
	Certificate *x509.Certificate
	// Chains lead from it to roots.
	Chains [][]*x509.Certificate
	// Time is when the signer says that it signed; zero where it does not.
	Time time.Time
}

// Verify returns the content of a message when all its signatures verify, and
// who signed, in the order of the message.
func (d *SignedData) Verify(o Options) ([]byte, []Verified, error) {
	if d.Detached() {
		return nil, nil, errors.New("the message has no content: it is detached")
	}
	by, err := d.verify(bytes.NewReader(d.content), o)
	if err != nil {
		return nil, nil, err
	}
	return bytes.Clone(d.content), by, nil
}

// VerifyDetached checks the signatures of a content that is elsewhere, as
// Verify does. It is read once and not kept.
func (d *SignedData) VerifyDetached(content io.Reader, o Options) ([]Verified, error) {
	if !d.Detached() {
		return nil, errors.New("the message has a content of its own")
	}
	return d.verify(content, o)
}

func (d *SignedData) verify(content io.Reader, o Options) ([]Verified, error) {
	if len(d.Signers) == 0 {
		return nil, fmt.Errorf("%w: nobody has signed it", ErrVerification)
	}
	var used []digest
	for _, s := range d.Signers {
		own, err := s.digest.digest()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrVerification, err)
		}
		used = append(used, own)
	}
	sums, err := hashAll(content, used)
	if err != nil {
		return nil, err
	}
	known := slices.Concat(d.Certificates, o.Certificates)
	var all []Verified
	for i, s := range d.Signers {
		v, err := s.verify(d, used[i], sums[used[i].hash], known)
		if err == nil {
			err = v.trust(known, o)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrVerification, err)
		}
		all = append(all, *v)
	}
	return all, nil
}

// verify checks one signature.
func (s *SignerInfo) verify(d *SignedData, own digest, sum []byte, known []*x509.Certificate) (*Verified, error) {
	if s.attributes == nil {
		return nil, errors.New("a signature without signed attributes is not accepted")
	}
	i := slices.IndexFunc(known, s.names)
	if i < 0 {
		return nil, fmt.Errorf("the certificate of a signer is not there: %s", s.name())
	}
	signer := known[i]
	c, err := parseClaims(s.attributes)
	if err != nil {
		return nil, err
	}
	if err := verify(signer.PublicKey, own, s.algorithm, s.attributes, s.signature); err != nil {
		return nil, err
	}
	if err := c.check(d.ContentType, sum, signer); err != nil {
		return nil, err
	}
	return &Verified{Certificate: signer, Time: c.time}, nil
}

// names reports whether the signature is by the certificate's key.
func (s *SignerInfo) names(c *x509.Certificate) bool {
	if s.SubjectKeyID != nil {
		return len(s.SubjectKeyID) > 0 && bytes.Equal(s.SubjectKeyID, c.SubjectKeyId)
	}
	return bytes.Equal(s.Issuer, c.RawIssuer) && s.Serial.Cmp(c.SerialNumber) == 0
}

// name says whose certificate is meant.
func (s *SignerInfo) name() string {
	if s.SubjectKeyID != nil {
		return fmt.Sprintf("subject key identifier %x", s.SubjectKeyID)
	}
	return fmt.Sprintf("serial number %x", s.Serial)
}

// trust checks the signer's certificate.
func (v *Verified) trust(known []*x509.Certificate, o Options) error {
	intermediates := x509.NewCertPool()
	for _, c := range known {
		intermediates.AddCert(c)
	}
	usages := o.KeyUsages
	if len(usages) == 0 {
		usages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	chains, err := v.Certificate.Verify(x509.VerifyOptions{Roots: o.Roots, Intermediates: intermediates, CurrentTime: o.Time, KeyUsages: usages})
	if err != nil {
		return err
	}
	if u := v.Certificate.KeyUsage; u != 0 && u&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return fmt.Errorf("the certificate of %s is not for signatures", v.Certificate.Subject)
	}
	v.Chains = chains
	return nil
}
