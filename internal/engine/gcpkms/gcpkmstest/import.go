package gcpkmstest

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/holdfast-kms/holdfast/internal/transfer"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// importJob is a key under which material comes in.
type importJob struct {
	proto   *kmspb.ImportJob
	private *rsa.PrivateKey // nil until it is made
}

// jobLife is how long an import job can be used.
const jobLife = 3 * 24 * time.Hour

// CreateImportJob makes an import job. Its key is there a little later.
func (s *Server) CreateImportJob(_ context.Context, req *kmspb.CreateImportJobRequest) (*kmspb.ImportJob, error) {
	parent, err := gcp.ParseKeyRing(req.GetParent())
	if err != nil || !gcp.ValidID(req.GetImportJobId()) {
		return nil, invalid("The request names no import job of a key ring.")
	}
	_, bits := gcp.Wrapping(req.GetImportJob().GetImportMethod())
	if bits == 0 {
		return nil, invalid("The import method is not supported.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.ringOf(parent)
	if r == nil {
		return nil, notFound(req.GetParent())
	}
	if r.jobs[req.GetImportJobId()] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "ImportJob %s already exists.", parent.Job(req.GetImportJobId()))
	}
	j := &importJob{proto: &kmspb.ImportJob{
		Name: parent.Job(req.GetImportJobId()).String(), ImportMethod: req.GetImportJob().GetImportMethod(),
		ProtectionLevel: req.GetImportJob().GetProtectionLevel(), State: kmspb.ImportJob_PENDING_GENERATION,
		CreateTime: timestamppb.Now(), ExpireTime: timestamppb.New(time.Now().Add(jobLife)),
	}}
	r.jobs[req.GetImportJobId()] = j
	s.pending.Go(func() { s.open(j, bits) })
	return proto.CloneOf(j.proto), nil
}

// open gives an import job its key.
func (s *Server) open(j *importJob, bits int) {
	private, err := s.newRSA(bits)
	if err != nil {
		return // it stays pending
	}
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.private, j.proto.State, j.proto.GenerateTime = private, kmspb.ImportJob_ACTIVE, timestamppb.Now()
	j.proto.PublicKey = &kmspb.ImportJob_WrappingPublicKey{Pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))}
}

// findJob returns an import job.
func (s *Server) findJob(name string) (*importJob, error) {
	n, err := gcp.ParseImportJob(name)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if r := s.ringOf(n.KeyRingName); r != nil && r.jobs[n.ImportJob] != nil {
		return r.jobs[n.ImportJob], nil
	}
	return nil, notFound(name)
}

// GetImportJob returns an import job.
func (s *Server) GetImportJob(_ context.Context, req *kmspb.GetImportJobRequest) (*kmspb.ImportJob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.findJob(req.GetName())
	if err != nil {
		return nil, err
	}
	return proto.CloneOf(j.proto), nil
}

// ImportCryptoKeyVersion makes a version of material from outside. Material that
// cannot be read makes a version, too: one that failed.
func (s *Server) ImportCryptoKeyVersion(_ context.Context, req *kmspb.ImportCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(req.GetParent())
	if err != nil {
		return nil, err
	}
	j, err := s.findJob(req.GetImportJob())
	if err != nil {
		return nil, err
	}
	level := k.proto.GetVersionTemplate().GetProtectionLevel()
	if err := makes(k.proto.GetPurpose(), req.GetAlgorithm(), level); err != nil {
		return nil, err
	}
	if j.private == nil || j.proto.GetProtectionLevel() != level {
		return nil, status.Error(codes.FailedPrecondition, "The import job cannot be used for this key.")
	}
	v := k.add(req.GetAlgorithm(), kmspb.CryptoKeyVersion_PENDING_IMPORT)
	v.proto.ImportJob, v.proto.ReimportEligible = req.GetImportJob(), true
	answer := proto.CloneOf(v.proto)
	how, _ := gcp.Wrapping(j.proto.GetImportMethod())
	plain, err := transfer.Unwrap(transfer.GoKey(j.private), how, specOf(req.GetAlgorithm()).Info().Bits/8, req.GetWrappedKey())
	if err == nil {
		v.material, err = readMaterial(req.GetAlgorithm(), plain)
	}
	if err != nil {
		v.proto.State, v.proto.ImportFailureReason = kmspb.CryptoKeyVersion_IMPORT_FAILED, "The key material is invalid."
		return answer, nil
	}
	v.proto.State, v.proto.ImportTime = kmspb.CryptoKeyVersion_ENABLED, timestamppb.Now()
	return answer, nil
}
