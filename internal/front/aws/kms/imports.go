package kms

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The enumerations of imports in AWS's model.
var (
	wrappingAlgorithms = []string{
		"RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1",
		"RSA_AES_KEY_WRAP_SHA_256", "SM2PKE",
	}
	wrappingSpecs    = []string{"RSA_2048", "RSA_3072", "RSA_4096", "SM2"}
	expirationModels = []string{wire.Expires, wire.NeverExpires}
	importTypes      = []string{newMaterial, "EXISTING_KEY_MATERIAL"}
)

const newMaterial = "NEW_KEY_MATERIAL"

var (
	materialIDPattern = &aws.Pattern{Text: "^[a-f0-9]+$", Matches: func(s string) bool {
		return s != "" && strings.Trim(s, "0123456789abcdef") == ""
	}}
	materialTextPattern = &aws.Pattern{Text: `^[a-zA-Z0-9:/_\s.-]+$`, Matches: func(s string) bool {
		return s != "" && strings.Trim(s, letters+":/_ \t\n\v\f\r.-") == ""
	}}
)

// The bounds of imports in AWS's model and in its documentation.
const (
	materialIDLength = 64
	maxMaterialText  = 256
	maxValidDays     = 365
)

type getParametersForImportRequest struct {
	keyRequest
	algorithm, spec string
}

// Members declares GetParametersForImport's request.
func (r *getParametersForImportRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Enum("WrappingAlgorithm", &r.algorithm, wrappingAlgorithms).Required()
	m.Enum("WrappingKeySpec", &r.spec, wrappingSpecs).Required()
}

func (f *front) getParametersForImport(ctx context.Context, x *aws.Exchange, in *getParametersForImportRequest) error {
	how, ok := wire.ParseWrapping(in.algorithm)
	if !ok {
		return wire.Unsupported("Holdfast does not support the WrappingAlgorithm " + in.algorithm + ".")
	}
	spec, ok := wire.ParseSpec(in.spec)
	if !ok {
		return wire.Unsupported("Holdfast does not support the WrappingKeySpec " + in.spec + ".")
	}
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	x.Words.Algorithm = in.algorithm
	p, err := f.door.ImportParameters(ctx, &x.Call, ref, how, spec)
	if err != nil {
		return err
	}
	writeARN(&x.Out, "KeyId", p.Key)
	x.Out.Blob("ImportToken", p.Token)
	x.Out.Blob("PublicKey", p.Public)
	x.Out.Time("ParametersValidTo", p.Expires)
	return nil
}

type importKeyMaterialRequest struct {
	keyRequest
	token, encrypted        []byte
	validTo                 time.Time
	model, kind             string
	materialID, description string
}

// Members declares ImportKeyMaterial's request.
func (r *importKeyMaterialRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Blob("ImportToken", &r.token, 1, kms.MaxCiphertext).Required()
	m.Blob("EncryptedKeyMaterial", &r.encrypted, 1, kms.MaxCiphertext).Required()
	m.Time("ValidTo", &r.validTo)
	m.Enum("ExpirationModel", &r.model, expirationModels)
	m.Enum("ImportType", &r.kind, importTypes)
	m.Text("KeyMaterialDescription", &r.description, 0, maxMaterialText).Matching(materialTextPattern)
	m.Text("KeyMaterialId", &r.materialID, materialIDLength, materialIDLength).Matching(materialIDPattern)
}

func (f *front) importKeyMaterial(ctx context.Context, x *aws.Exchange, in *importKeyMaterialRequest) error {
	if err := in.check(x.Call.Time); err != nil {
		return err
	}
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	r, err := f.door.ImportMaterial(ctx, &x.Call, &kms.ImportMaterialRequest{
		Key: ref, Token: in.token, Encrypted: in.encrypted, ExpiresAt: in.validTo,
		Rotate: in.kind == newMaterial, MaterialID: in.materialID, Description: in.description,
	})
	if err != nil {
		return err
	}
	writeImported(&x.Out, r)
	return nil
}

// check holds the request's own members against each other and the clock.
func (r *importKeyMaterialRequest) check(now time.Time) error {
	expires := r.model != wire.NeverExpires
	switch {
	case expires && r.validTo.IsZero():
		return aws.Validation("A validTo date must be set if the ExpirationModel is " + wire.Expires)
	case !expires && !r.validTo.IsZero():
		return aws.Validation("A validTo date must not be set if the ExpirationModel is " + wire.NeverExpires)
	case expires && !r.validTo.After(now):
		return aws.Validation("The validTo date must be in the future")
	case expires && r.validTo.After(now.AddDate(0, 0, maxValidDays)):
		return aws.Validation("The validTo date must be within 365 days")
	case r.kind == newMaterial && r.materialID != "":
		return aws.Validation("You cannot specify a KeyMaterialId with the ImportType " + newMaterial)
	}
	return nil
}

type deleteImportedKeyMaterialRequest struct {
	keyRequest
	materialID string
}

// Members declares DeleteImportedKeyMaterial's request.
func (r *deleteImportedKeyMaterialRequest) Members(m *aws.Members) {
	r.keyRequest.Members(m)
	m.Text("KeyMaterialId", &r.materialID, materialIDLength, materialIDLength).Matching(materialIDPattern)
}

func (f *front) deleteImportedKeyMaterial(ctx context.Context, x *aws.Exchange, in *deleteImportedKeyMaterialRequest) error {
	ref, err := keyRef(in.keyID)
	if err != nil {
		return err
	}
	r, err := f.door.DeleteMaterial(ctx, &x.Call, ref, in.materialID)
	if err != nil {
		return err
	}
	writeImported(&x.Out, r)
	return nil
}

// writeImported adds the answer of an operation on one material of a key.
// Only the materials of symmetric encryption keys have ids to AWS.
func writeImported(out *wire.Encoder, r *kms.MaterialResult) {
	writeARN(out, "KeyId", r.Key)
	if r.Key.Spec == alg.AES256 {
		out.Text("KeyMaterialId", r.Version.MaterialID)
	}
}

// writeExpiry adds until when imported material is kept. Of material that is
// not here there is nothing to say.
func writeExpiry(out *wire.Encoder, k *key.Key, v *key.Version) {
	switch {
	case k.Origin != key.Imported || v.Missing:
	case v.ExpiresAt.IsZero():
		out.Text("ExpirationModel", wire.NeverExpires)
	default:
		out.Text("ExpirationModel", wire.Expires)
		out.Time("ValidTo", v.ExpiresAt)
	}
}
