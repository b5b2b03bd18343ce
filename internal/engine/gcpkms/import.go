package gcpkms

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// Imports reports whether the engine takes material of the spec. That of ML-DSA
// stays outside: the API's reference does not say how it would be framed.
func (e *Engine) Imports(spec alg.Spec) bool {
	return spec.Info().Family != alg.MLDSA && slices.ContainsFunc(spec.Info().Usages, func(u alg.Usage) bool { return e.Supports(spec, u) })
}

// incoming is material on its way into the service.
type incoming struct {
	op    string
	name  gcp.CryptoKeyName
	row   gcp.Row
	plain []byte
	// public is the SubjectPublicKeyInfo, code what an HMAC key makes of
	// probe: by one of them material is known again. Of AES keys there is neither.
	public, code []byte
}

// probe is the message whose code tells whose an HMAC key is.
const probe = "holdfast pairwise consistency"

// Import checks material and brings it into the key ring, wrapped under a key
// of the service's. An earlier call for the same version whose answer was lost
// is found by its public half or its codes; of an AES key nothing tells, so
// that it is brought a second time, as another version.
func (e *Engine) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	if !e.Imports(kind.Spec) {
		return engine.Material{}, fault.New(fault.Unsupported, "the key service %s does not take material of type %q", e.Name(), kind.Spec)
	}
	row, err := e.row(kind)
	if err != nil {
		return engine.Material{}, err
	}
	in, err := arriving(row, plain)
	if err != nil {
		return engine.Material{}, err
	}
	in.name = e.ring.Key(remote.KeyName(ref))
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	if _, err := e.create(ctx, in.op, newKey{name: in.name, row: row, labels: labels(ref), imported: true}); err != nil {
		return engine.Material{}, err
	}
	version, err := e.bring(ctx, in)
	if err != nil {
		return engine.Material{}, err
	}
	r := reference(in.name, version.Version, row)
	r.Public = in.public
	return remote.Seal(e.box, ref, kind.Spec, r)
}

// arriving checks material.
func arriving(row gcp.Row, plain []byte) (*incoming, error) {
	p, err := engine.ParsePlain(row.Spec, plain)
	if err != nil {
		return nil, err
	}
	defer p.Wipe()
	in := &incoming{op: "gcpkms.Import", row: row, plain: plain}
	switch {
	case !row.Spec.Symmetric():
		in.public, err = engine.MarshalPublic(row.Spec, p.Public)
	case row.Purpose == kmspb.CryptoKey_MAC:
		h := hmac.New(row.Does[0].Info().Hash.New, p.Secret)
		_, _ = h.Write([]byte(probe)) // never fails
		in.code = h.Sum(nil)
	}
	return in, err
}

// bring returns the version that has the material, which it makes if there is
// none yet.
func (e *Engine) bring(ctx context.Context, in *incoming) (gcp.CryptoKeyVersionName, error) {
	before, err := e.versions(ctx, in.op, in.name)
	if err != nil {
		return gcp.CryptoKeyVersionName{}, err
	}
	for _, v := range before {
		if n, ok := e.has(ctx, in, v); ok {
			return n, nil
		}
	}
	v, err := e.send(ctx, in, before)
	if err != nil {
		return gcp.CryptoKeyVersionName{}, err
	}
	n, err := gcp.ParseCryptoKeyVersion(v.GetName())
	if err != nil || n.CryptoKeyName != in.name {
		return n, &fault.Error{Kind: fault.Unavailable, Op: in.op, Err: damaged("name")}
	}
	if v, err = e.ready(ctx, in.op, n); err != nil {
		return n, unsound(in, err)
	}
	if in.public == nil && in.code == nil {
		return n, nil
	}
	if _, ok := e.has(ctx, in, v); !ok {
		return n, &fault.Error{Kind: fault.Internal, Op: in.op, Err: errors.New("the service has made another key of the material")}
	}
	return n, nil
}

// unsound says that the service did not take the material, if it was that.
func unsound(in *incoming, err error) error {
	s, ok := errors.AsType[*stateError](err)
	if !ok || s.v.GetState() != kmspb.CryptoKeyVersion_IMPORT_FAILED {
		return err
	}
	return &fault.Error{Kind: fault.InvalidArgument, Op: in.op, Public: "the key service does not take the key material", Err: s}
}

// has reports whether a version is usable and has the material.
func (e *Engine) has(ctx context.Context, in *incoming, v *kmspb.CryptoKeyVersion) (gcp.CryptoKeyVersionName, bool) {
	n, err := gcp.ParseCryptoKeyVersion(v.GetName())
	if err != nil || v.GetState() != kmspb.CryptoKeyVersion_ENABLED || v.GetAlgorithm() != in.row.Algorithm {
		return n, false
	}
	switch {
	case in.public != nil:
		public, err := e.public(ctx, in.op, n, in.row)
		return n, err == nil && bytes.Equal(public, in.public)
	case in.code != nil:
		u := user{e: e, address: &address{key: n.CryptoKeyName, number: n.Version, row: in.row}}
		code, err := u.mac(ctx, nil, in.row.Does[0], []byte(probe))
		return n, err == nil && remote.SameCode(code, in.code)
	}
	return n, false
}

// send has the service make a version of the material. A request whose answer
// is lost is not sent again before it is known whether it made one.
func (e *Engine) send(ctx context.Context, in *incoming, before []*kmspb.CryptoKeyVersion) (*kmspb.CryptoKeyVersion, error) {
	job, under, err := e.job(ctx, in.op)
	if err != nil {
		return nil, err
	}
	wrapped, err := transfer.Wrap(nil, under, importWrapping, in.plain)
	if err != nil {
		return nil, err
	}
	req := &kmspb.ImportCryptoKeyVersionRequest{
		Parent: in.name.String(), Algorithm: in.row.Algorithm, ImportJob: job, WrappedKey: wrapped,
	}
	for try := 0; ; try++ {
		var made *kmspb.CryptoKeyVersion
		err = e.call(ctx, in.op, remote.Once, func(ctx context.Context, c *client) (err error) {
			made, err = c.ImportCryptoKeyVersion(ctx, req)
			return err
		})
		if fault.KindOf(err) != fault.Unavailable || ctx.Err() != nil {
			return made, err
		}
		after, errAfter := e.versions(ctx, in.op, in.name)
		if errAfter != nil {
			return nil, errAfter
		}
		if v := added(before, after, job); v != nil || try == 1 {
			return v, dropIf(v != nil, err)
		}
	}
}

// dropIf returns no error where the failure turned out to be none.
func dropIf(none bool, err error) error {
	if none {
		return nil
	}
	return err
}

// added returns a version that was imported by a job and is new.
func added(before, after []*kmspb.CryptoKeyVersion, job string) *kmspb.CryptoKeyVersion {
	for _, v := range after {
		known := slices.ContainsFunc(before, func(b *kmspb.CryptoKeyVersion) bool { return b.GetName() == v.GetName() })
		if !known && v.GetImportJob() == job {
			return v
		}
	}
	return nil
}

// How material is wrapped: for all types of keys.
const (
	importWrapping = alg.WrapAESKeyWrapSHA256
	importBits     = 3072
)

// job returns an import job that can be used, and its key. It is the job of the
// day, which all who use the key ring find by its name: jobs expire after
// three days, and cannot be deleted.
func (e *Engine) job(ctx context.Context, op string) (string, *rsa.PublicKey, error) {
	id := "holdfast-import-" + strings.ToLower(e.level.String()) + "-" + time.Now().UTC().Format("20060102")
	name := e.ring.Job(id).String()
	method := gcp.MethodOf(importWrapping, importBits)
	var job *kmspb.ImportJob
	get := func() (_ bool, err error) {
		job, err = about(ctx, e, op, name, func(ctx context.Context, c *client) (*kmspb.ImportJob, error) {
			return c.GetImportJob(ctx, &kmspb.GetImportJobRequest{Name: name})
		})
		if fault.KindOf(err) == fault.NotFound {
			err = e.newJob(ctx, op, id, method)
		}
		return job.GetState() == kmspb.ImportJob_ACTIVE || job.GetState() == kmspb.ImportJob_EXPIRED, err
	}
	if err := poll(ctx, get); err != nil {
		return "", nil, err
	}
	if job.GetState() != kmspb.ImportJob_ACTIVE || job.GetImportMethod() != method || job.GetProtectionLevel() != e.level {
		return "", nil, fault.New(fault.Conflict, "the key service %s has an import job %s that cannot be used", e.Name(), id)
	}
	block, _ := pem.Decode([]byte(job.GetPublicKey().GetPem()))
	if block == nil {
		return "", nil, &fault.Error{Kind: fault.Internal, Op: op, Err: errors.New("the import job's key is not in PEM")}
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	under, ok := public.(*rsa.PublicKey)
	if err != nil || !ok || under.N.BitLen() != importBits {
		return "", nil, &fault.Error{Kind: fault.Internal, Op: op, Err: errors.New("the import job's key is not the RSA key that it should be")}
	}
	return name, under, nil
}

// newJob makes an import job, or finds that somebody else has.
func (e *Engine) newJob(ctx context.Context, op, id string, method gcp.ImportMethod) error {
	_, err := about(ctx, e, op, e.ring.Job(id).String(), func(ctx context.Context, c *client) (*kmspb.ImportJob, error) {
		return c.CreateImportJob(ctx, &kmspb.CreateImportJobRequest{
			Parent: e.ring.String(), ImportJobId: id,
			ImportJob: &kmspb.ImportJob{ImportMethod: method, ProtectionLevel: e.level},
		})
	})
	if fault.KindOf(err) == fault.AlreadyExists {
		return nil
	}
	return err
}
