package gcpkms

import (
	"context"
	"encoding/asn1"
	"encoding/pem"
	"fmt"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// public asks for the public half of a key and returns its
// SubjectPublicKeyInfo. Those of ML-DSA come as FIPS 204 has them, all others
// in PEM.
func (e *Engine) public(ctx context.Context, op string, name gcp.CryptoKeyVersionName, row gcp.Row) ([]byte, error) {
	req := &kmspb.GetPublicKeyRequest{Name: name.String()}
	if row.Spec.Info().Family == alg.MLDSA {
		req.PublicKeyFormat = kmspb.PublicKey_NIST_PQC
	}
	var der []byte
	err := e.call(ctx, op, remote.Repeatable, func(ctx context.Context, c *client) error {
		answer, err := c.GetPublicKey(ctx, req)
		if err = named(err, answer.GetName(), req.GetName()); err != nil {
			return err
		}
		der, err = spkiOf(answer, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	p, err := engine.ParsePublic(row.Spec, der)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: op, Err: fmt.Errorf("reading the public half of %s: %w", name, err)}
	}
	return p.SPKI(), nil
}

// spkiOf returns the SubjectPublicKeyInfo of an answer.
func spkiOf(answer *kmspb.PublicKey, row gcp.Row) ([]byte, error) {
	if row.Spec.Info().Family == alg.MLDSA {
		raw := answer.GetPublicKey()
		if !gcp.Intact(raw.GetData(), raw.GetCrc32CChecksum()) {
			return nil, damaged("public key")
		}
		return mldsaSPKI(row.Spec, raw.GetData())
	}
	if !gcp.Intact([]byte(answer.GetPem()), answer.GetPemCrc32C()) {
		return nil, damaged("public key")
	}
	block, _ := pem.Decode([]byte(answer.GetPem()))
	if block == nil {
		return nil, fault.New(fault.Internal, "the service's public key is not in PEM")
	}
	return block.Bytes, nil
}

// mldsaSPKI frames an encoded ML-DSA public key (RFC 9881 section 4).
func mldsaSPKI(spec alg.Spec, raw []byte) ([]byte, error) {
	last := map[alg.Spec]int{alg.MLDSA44: 17, alg.MLDSA65: 18, alg.MLDSA87: 19}[spec]
	b := cryptobyte.NewBuilder(make([]byte, 0, len(raw)+22))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, last})
		})
		b.AddASN1BitString(raw)
	})
	return b.Bytes()
}
