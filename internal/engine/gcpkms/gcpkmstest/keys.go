package gcpkmstest

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// ring is a key ring. What is in it is guarded by Server.mu.
type ring struct {
	keys map[string]*cryptoKey
	jobs map[string]*importJob
}

// cryptoKey is a key with its versions in the order of their numbers.
type cryptoKey struct {
	proto    *kmspb.CryptoKey // without its primary version
	primary  int              // the index of the primary version, or -1
	versions []*version
}

// version is a version of a key.
type version struct {
	proto    *kmspb.CryptoKeyVersion
	material *material // nil before it is there and after it is destroyed
}

// view returns the key as the API shows it.
func (k *cryptoKey) view() *kmspb.CryptoKey {
	out := proto.CloneOf(k.proto)
	if k.primary >= 0 {
		out.Primary = proto.CloneOf(k.versions[k.primary].proto)
	}
	return out
}

// waiting is how long a version waits for its destruction.
const waiting = 30 * 24 * time.Hour

func notFound(name string) error { return status.Errorf(codes.NotFound, "%s not found.", name) }

// findKey returns a key.
func (s *Server) findKey(name string) (*cryptoKey, error) {
	n, err := gcp.ParseCryptoKey(name)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if r := s.ringOf(n.KeyRingName); r != nil && r.keys[n.CryptoKey] != nil {
		return r.keys[n.CryptoKey], nil
	}
	return nil, notFound(name)
}

// findVersion returns a version of a key.
func (s *Server) findVersion(name string) (*cryptoKey, *version, error) {
	n, err := gcp.ParseCryptoKeyVersion(name)
	if err != nil {
		return nil, nil, invalid("%v", err)
	}
	k, err := s.findKey(n.CryptoKeyName.String())
	if err != nil {
		return nil, nil, err
	}
	if n.Version > uint64(len(k.versions)) {
		return nil, nil, notFound(name)
	}
	return k, k.versions[n.Version-1], nil
}

// CreateCryptoKey makes a key.
func (s *Server) CreateCryptoKey(_ context.Context, req *kmspb.CreateCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	parent, err := gcp.ParseKeyRing(req.GetParent())
	if err != nil || !gcp.ValidID(req.GetCryptoKeyId()) {
		return nil, invalid("The request names no key of a key ring.")
	}
	in := req.GetCryptoKey()
	t := in.GetVersionTemplate()
	if err := makes(in.GetPurpose(), t.GetAlgorithm(), t.GetProtectionLevel()); err != nil {
		return nil, err
	}
	if in.GetImportOnly() && !req.GetSkipInitialVersionCreation() {
		return nil, invalid("A key that is import-only is created without a version.")
	}
	if d := in.GetDestroyScheduledDuration(); d != nil && (d.AsDuration() < 24*time.Hour || d.AsDuration() > 120*24*time.Hour) {
		return nil, invalid("destroy_scheduled_duration must be between 24 hours and 120 days.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.ringOf(parent)
	if r == nil {
		return nil, notFound(req.GetParent())
	}
	if r.keys[req.GetCryptoKeyId()] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "CryptoKey %s already exists.", parent.Key(req.GetCryptoKeyId()))
	}
	k := &cryptoKey{primary: -1, proto: &kmspb.CryptoKey{
		Name: parent.Key(req.GetCryptoKeyId()).String(), Purpose: in.GetPurpose(), CreateTime: timestamppb.Now(),
		VersionTemplate: proto.CloneOf(t), Labels: maps.Clone(in.GetLabels()), ImportOnly: in.GetImportOnly(),
		DestroyScheduledDuration: in.GetDestroyScheduledDuration(),
	}}
	if k.proto.DestroyScheduledDuration == nil {
		k.proto.DestroyScheduledDuration = durationpb.New(waiting)
	}
	if !req.GetSkipInitialVersionCreation() {
		if err := s.generate(k); err != nil {
			return nil, err
		}
		if in.GetPurpose() == kmspb.CryptoKey_ENCRYPT_DECRYPT {
			k.primary = 0
		}
	}
	r.keys[req.GetCryptoKeyId()] = k
	return k.view(), nil
}

// add appends a version without material.
func (k *cryptoKey) add(a gcp.Algorithm, state gcp.State) *version {
	v := &version{proto: &kmspb.CryptoKeyVersion{
		Name:  k.proto.GetName() + "/cryptoKeyVersions/" + strconv.Itoa(len(k.versions)+1),
		State: state, Algorithm: a, ProtectionLevel: k.proto.GetVersionTemplate().GetProtectionLevel(), CreateTime: timestamppb.Now(),
	}}
	k.versions = append(k.versions, v)
	return v
}

// generate makes a version. RSA keys take their time, as the service's do: they
// are there a little later.
func (s *Server) generate(k *cryptoKey) error {
	t := k.proto.GetVersionTemplate()
	if rsaBits(t.GetAlgorithm()) == 0 {
		m, err := s.newMaterial(t.GetAlgorithm())
		if err != nil {
			return err
		}
		v := k.add(t.GetAlgorithm(), kmspb.CryptoKeyVersion_ENABLED)
		v.material, v.proto.GenerateTime = m, timestamppb.Now()
		return nil
	}
	v := k.add(t.GetAlgorithm(), kmspb.CryptoKeyVersion_PENDING_GENERATION)
	s.pending.Go(func() {
		m, err := s.newMaterial(t.GetAlgorithm())
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			v.proto.State, v.proto.GenerationFailureReason = kmspb.CryptoKeyVersion_GENERATION_FAILED, err.Error()
			return
		}
		v.material, v.proto.State, v.proto.GenerateTime = m, kmspb.CryptoKeyVersion_ENABLED, timestamppb.Now()
	})
	return nil
}

// GetCryptoKey returns a key.
func (s *Server) GetCryptoKey(_ context.Context, req *kmspb.GetCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(req.GetName())
	if err != nil {
		return nil, err
	}
	return k.view(), nil
}

// CreateCryptoKeyVersion makes another version of a key.
func (s *Server) CreateCryptoKeyVersion(_ context.Context, req *kmspb.CreateCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(req.GetParent())
	if err != nil {
		return nil, err
	}
	if k.proto.GetImportOnly() {
		return nil, status.Error(codes.FailedPrecondition, "The key takes imported versions only.")
	}
	if err := s.generate(k); err != nil {
		return nil, err
	}
	return proto.CloneOf(k.versions[len(k.versions)-1].proto), nil
}

// GetCryptoKeyVersion returns a version of a key.
func (s *Server) GetCryptoKeyVersion(_ context.Context, req *kmspb.GetCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, v, err := s.findVersion(req.GetName())
	if err != nil {
		return nil, err
	}
	return proto.CloneOf(v.proto), nil
}

// UpdateCryptoKeyPrimaryVersion chooses the version that encrypts.
func (s *Server) UpdateCryptoKeyPrimaryVersion(_ context.Context, req *kmspb.UpdateCryptoKeyPrimaryVersionRequest) (*kmspb.CryptoKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, v, err := s.findVersion(req.GetName() + "/cryptoKeyVersions/" + req.GetCryptoKeyVersionId())
	if err != nil {
		return nil, err
	}
	if k.proto.GetPurpose() != kmspb.CryptoKey_ENCRYPT_DECRYPT {
		return nil, invalid("Keys of this purpose have no primary version.")
	}
	k.primary = slices.Index(k.versions, v)
	return k.view(), nil
}

// UpdateCryptoKeyVersion enables or disables a version.
func (s *Server) UpdateCryptoKeyVersion(_ context.Context, req *kmspb.UpdateCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	to := req.GetCryptoKeyVersion().GetState()
	if !slices.Equal(req.GetUpdateMask().GetPaths(), []string{"state"}) || to != kmspb.CryptoKeyVersion_ENABLED && to != kmspb.CryptoKeyVersion_DISABLED {
		return nil, invalid("Only the state can be updated, to ENABLED or DISABLED.")
	}
	return s.move(req.GetCryptoKeyVersion().GetName(), func(_ *cryptoKey, v *kmspb.CryptoKeyVersion) { v.State = to },
		kmspb.CryptoKeyVersion_ENABLED, kmspb.CryptoKeyVersion_DISABLED)
}

// DestroyCryptoKeyVersion schedules the destruction of a version.
func (s *Server) DestroyCryptoKeyVersion(_ context.Context, req *kmspb.DestroyCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	return s.move(req.GetName(), func(k *cryptoKey, v *kmspb.CryptoKeyVersion) {
		v.State = kmspb.CryptoKeyVersion_DESTROY_SCHEDULED
		v.DestroyTime = timestamppb.New(time.Now().Add(k.proto.GetDestroyScheduledDuration().AsDuration()))
	}, kmspb.CryptoKeyVersion_ENABLED, kmspb.CryptoKeyVersion_DISABLED)
}

// RestoreCryptoKeyVersion takes a version back from its destruction.
func (s *Server) RestoreCryptoKeyVersion(_ context.Context, req *kmspb.RestoreCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	return s.move(req.GetName(), func(_ *cryptoKey, v *kmspb.CryptoKeyVersion) {
		v.State, v.DestroyTime = kmspb.CryptoKeyVersion_DISABLED, nil
	}, kmspb.CryptoKeyVersion_DESTROY_SCHEDULED)
}

// move takes a version from one of some states to another.
func (s *Server) move(name string, to func(*cryptoKey, *kmspb.CryptoKeyVersion), from ...gcp.State) (*kmspb.CryptoKeyVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, v, err := s.findVersion(name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(from, v.proto.GetState()) {
		return nil, inState(v.proto)
	}
	to(k, v.proto)
	return proto.CloneOf(v.proto), nil
}

// inState says that a version's state forbids a request.
func inState(v *kmspb.CryptoKeyVersion) error {
	return detailed(codes.FailedPrecondition, v.GetName()+" is not enabled, current state is: "+v.GetState().String()+".",
		&errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{
			Type: "KEY_" + v.GetState().String(), Subject: v.GetName(), Description: "The key version is not enabled.",
		}}})
}

// page returns a part of a list, and the token of what is after it.
func page[T any](all []T, size int32, token string) ([]T, string, error) {
	from, err := strconv.Atoi("0" + token)
	if err != nil || from > len(all) {
		return nil, "", invalid("The page token is not valid.")
	}
	to := len(all)
	if size > 0 {
		to = min(to, from+int(size))
	}
	next := ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next, nil
}

// ListCryptoKeys returns some keys of a key ring.
func (s *Server) ListCryptoKeys(_ context.Context, req *kmspb.ListCryptoKeysRequest) (*kmspb.ListCryptoKeysResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rings[req.GetParent()]
	if r == nil {
		return nil, notFound(req.GetParent())
	}
	ids, next, err := page(slices.Sorted(maps.Keys(r.keys)), req.GetPageSize(), req.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListCryptoKeysResponse{NextPageToken: next, TotalSize: int32(len(r.keys))} //nolint:gosec // few
	for _, id := range ids {
		out.CryptoKeys = append(out.CryptoKeys, r.keys[id].view())
	}
	return out, nil
}

// ListCryptoKeyVersions returns some versions of a key.
func (s *Server) ListCryptoKeyVersions(_ context.Context, req *kmspb.ListCryptoKeyVersionsRequest) (*kmspb.ListCryptoKeyVersionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(req.GetParent())
	if err != nil {
		return nil, err
	}
	some, next, err := page(k.versions, req.GetPageSize(), req.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListCryptoKeyVersionsResponse{NextPageToken: next, TotalSize: int32(len(k.versions))} //nolint:gosec // few
	for _, v := range some {
		out.CryptoKeyVersions = append(out.CryptoKeyVersions, proto.CloneOf(v.proto))
	}
	return out, nil
}
