package managed

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// Import brings a certificate with its key.
type Import struct {
	// ID is a certificate that was imported before, whose content this one
	// takes the place of; "" for a new one.
	ID string
	// Certificate is in DER, Chain are its issuers in DER, the nearest first.
	Certificate []byte
	Chain       [][]byte
	// Key is the unencrypted private key, PKCS #8 in DER. The caller overwrites
	// it afterwards.
	Key []byte
	// Exportable lets the key leave again.
	Exportable bool
	Tags       []key.Tag // of a new one only
}

// maxChain is how many certificates a chain may have.
const maxChain = 16

// Import takes in a certificate with its key, or renews an imported one under
// its id. The caller needs ImportManaged. The key has to be the certificate's,
// the chain has to lead on from it, and the certificate has to be valid now.
// A new content keeps the spec of the key, one of the names, and every usage
// that the first one had ("Prerequisites for importing" and "Reimport a
// certificate", AWS Certificate Manager User Guide).
func (s *Service) Import(ctx context.Context, call *key.Call, req *Import) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.ImportManaged, func(v *guard.Visit) (*Certificate, error) {
		if req.ID != "" {
			defer s.locks.lock(req.ID)()
		}
		old, err := s.admitImport(ctx, v, req)
		if err != nil {
			return nil, err
		}
		c, parsed, err := s.read(call, req, old)
		if err != nil {
			return nil, err
		}
		v.Note("names", strings.Join(c.Names, ", "))
		v.Note("serial", c.Serial)
		if err := dry(call); err != nil {
			return nil, err
		}
		v.About(c.Resource())
		k, err := s.keys.Entrust(ctx, call, grantee(c.ID), &kms.ImportKeyRequest{
			CreateKeyRequest: kms.CreateKeyRequest{
				Spec: c.Spec, Usage: alg.SignVerify, Exportable: c.Exportable, Description: "imported certificate of " + c.Domain,
			},
			Material: req.Key, Public: parsed.RawSubjectPublicKeyInfo,
		})
		if err != nil {
			return nil, err
		}
		c.Key = k.Name.ID
		if err := s.put(ctx, v, c, nil); err != nil || old == nil {
			return c, err
		}
		return c, s.keys.EndEntrusted(ctx, call, grantee(c.ID), old.Key)
	})
}

// admitImport asks whether the call may import, and returns the certificate
// that is imported again, nil for a new one.
func (s *Service) admitImport(ctx context.Context, v *guard.Visit, req *Import) (*Certificate, error) {
	if req.ID == "" {
		return nil, s.admitCreation(v, key.ImportManaged, req.Tags)
	}
	old, err := s.visit(ctx, v, key.ImportManaged, req.ID)
	switch {
	case err != nil:
		return nil, err
	case old.Kind != Imported:
		return nil, fault.New(fault.InvalidArgument, "only a certificate that was imported can be imported again")
	case len(req.Tags) > 0:
		return nil, fault.New(fault.InvalidArgument, "tags are given to a new certificate, not to one that is imported again")
	}
	return old, nil
}

// read checks what is brought and returns the certificate that it makes.
func (s *Service) read(call *key.Call, req *Import, old *Certificate) (*Certificate, *x509.Certificate, error) {
	parsed, err := x509.ParseCertificate(req.Certificate)
	if err != nil {
		return nil, nil, malformed("the certificate cannot be read", err)
	}
	public, err := cert.PublicOf(parsed)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkImport(parsed, public, req.Chain); err != nil {
		return nil, nil, err
	}
	c, now := &Certificate{}, s.now().UTC()
	if old != nil {
		if err := replaces(parsed, public.Spec(), old); err != nil {
			return nil, nil, err
		}
		c = old.clone()
	} else {
		c.Realm, c.Region, c.Kind, c.CreatedAt = call.Caller.Principal.Realm, call.Region, Imported, now
		if c.Tags, err = key.MergeTags(nil, req.Tags); err != nil {
			return nil, nil, err
		}
		if c.ID, err = newID(); err != nil {
			return nil, nil, err
		}
	}
	c.Spec, c.Exportable, c.ImportedAt = public.Spec(), req.Exportable, now
	if c.Names = namesOf(parsed); len(c.Names) > 0 {
		c.Domain = c.Names[0]
	}
	c.take(parsed, cert.SerialText(parsed.SerialNumber), req.Chain)
	return c, parsed, nil
}

func malformed(public string, err error) error {
	return &fault.Error{Kind: fault.InvalidArgument, Reason: fault.MalformedCertificate, Public: public, Err: err}
}

// checkImport refuses certificates whose key is not of the table, whose time
// is over or has not come, and chains that do not lead on.
func (s *Service) checkImport(c *x509.Certificate, public *engine.PublicKey, chain [][]byte) error {
	now := s.now()
	switch {
	case public.Spec() == alg.NoSpec:
		return fault.New(fault.Unsupported, "the certificate is for a key of a size that is not supported")
	case c.Version != 3:
		return malformed("the certificate is not one of X.509 version 3", nil)
	case now.After(c.NotAfter):
		return malformed("the certificate has expired", nil)
	case now.Before(c.NotBefore):
		return malformed("the certificate is not valid yet", nil)
	case len(chain) > maxChain:
		return malformed("the chain has too many certificates", nil)
	}
	child := c
	for _, der := range chain {
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			return malformed("a certificate of the chain cannot be read", err)
		}
		if !issuer.IsCA {
			return malformed("a certificate of the chain is not an authority's", nil)
		}
		if err := cert.CheckFrom(child, issuer); err != nil {
			return malformed("the chain does not lead on from the certificate: each certificate has to be followed by its issuer's", err)
		}
		child = issuer
	}
	return nil
}

// replaces checks that a certificate may take the place of an imported one.
func replaces(c *x509.Certificate, spec alg.Spec, old *Certificate) error {
	before, err := old.X509()
	if err != nil {
		return err
	}
	switch {
	case spec != old.Spec:
		return fault.New(fault.InvalidArgument, "the certificate has a key of spec %s: it stays %s", spec, old.Spec)
	case len(old.Names) > 0 && !slices.ContainsFunc(namesOf(c), func(n string) bool { return slices.Contains(old.Names, n) }):
		return fault.New(fault.InvalidArgument, "the certificate has none of the names that the imported one has")
	case before.KeyUsage&^c.KeyUsage != 0:
		return fault.New(fault.InvalidArgument, "the certificate lacks a key usage that the imported one has")
	}
	for _, usage := range before.ExtKeyUsage {
		if !slices.Contains(c.ExtKeyUsage, usage) {
			return fault.New(fault.InvalidArgument, "the certificate lacks an extended key usage that the imported one has")
		}
	}
	for _, oid := range before.UnknownExtKeyUsage {
		if !slices.ContainsFunc(c.UnknownExtKeyUsage, oid.Equal) {
			return fault.New(fault.InvalidArgument, "the certificate lacks the extended key usage %s, which the imported one has", oid)
		}
	}
	return nil
}
