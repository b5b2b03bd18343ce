package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) importWrapped(ctx context.Context, r *native.Request, req *wire.ImportWrappedRequest) (*wire.Key, error) {
	made, err := f.newKey(&req.CreateKeyRequest)
	if err != nil {
		return nil, err
	}
	if req.HSM != "" || req.Store != "" || req.Provider != "" {
		return nil, fault.New(fault.InvalidArgument, "the members %q, %q and %q say nothing here: the key comes to where its key exchange key is", "hsm", "store", "provider")
	}
	ask := &kms.ImportWrappedRequest{CreateKeyRequest: *made}
	if req.Spec == "" { // the door finds out what the key is
		if ask.Spec = alg.NoSpec; req.Usage == "" {
			ask.Usage = alg.NoUsage
		}
	}
	if len(req.Blob) == 0 {
		if err := native.Required("kek", req.KEK); err != nil {
			return nil, err
		}
		ask.KEK, ask.Wrapped = native.RefOf(req.KEK), req.Wrapped
		if ask.How, err = wrappingOf(req.Wrapping); err != nil {
			return nil, err
		}
		return f.keyOut(ctx)(f.keys.ImportWrapped(ctx, r.Call, ask))
	}
	if req.Wrapping != "" || len(req.Wrapped) > 0 {
		return nil, fault.New(fault.InvalidArgument, "the member %q excludes %q and %q: it says both", "blob", "wrapping", "wrapped")
	}
	blob, err := transfer.ParseBlob(req.Blob)
	if err != nil {
		return nil, err
	}
	ask.How, ask.Wrapped = transfer.BlobWrapping, blob.Ciphertext
	if ask.KEK, err = f.blobKEK(ctx, r, blob, req.KEK); err != nil {
		return nil, err
	}
	k, err := f.keys.ImportWrapped(ctx, r.Call, ask)
	if err != nil {
		return nil, ofBlob(err, blob)
	}
	return f.keyOut(ctx)(k, nil)
}

// blobKEK returns the key exchange key that a blob names. One that the caller
// names as well has to be the same.
func (f *front) blobKEK(ctx context.Context, r *native.Request, blob *transfer.Blob, named string) (kms.Ref, error) {
	name, ok := wire.ParseKeyURL(blob.KID)
	if !ok {
		name = blob.KID
	}
	ref := native.RefOf(name)
	if named == "" {
		return ref, nil
	}
	want, err := f.keys.DescribeKey(ctx, r.Call, native.RefOf(named))
	if err != nil {
		return ref, err
	}
	if have, err := f.keys.DescribeKey(ctx, r.Call, ref); err != nil || have.Name != want.Name {
		return ref, foreignBlob(blob, "and not for "+named)
	}
	return ref, nil
}

// ofBlob says what went wrong with a blob in words about blobs.
func ofBlob(err error, blob *transfer.Blob) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	told := *f
	switch {
	case f.Kind == fault.NotFound || f.Reason == fault.ForeignRegion || f.Reason == fault.MalformedKeyID:
		return foreignBlob(blob, "which is not here")
	case f.Reason == fault.ReplayedBlob:
		told.Public = "the transfer blob was imported before: one blob makes one key"
	case f.Kind == fault.BadCiphertext:
		told.Public = "the transfer blob cannot be opened with the key that it names: it was made for another one, or has been changed or cut off"
	case f.Reason == fault.WrongUsage && f.Resource != "":
		told.Public = fmt.Sprintf("the transfer blob is for the key %q, which is no key exchange key", blob.KID)
	default:
		return err
	}
	return &told
}

func foreignBlob(blob *transfer.Blob, why string) error {
	return fault.Because(fault.InvalidArgument, fault.ForeignBlob, "the transfer blob is for the key %q, %s", blob.KID, why)
}

// wrappingOf reads how a key is encrypted.
func wrappingOf(name string) (alg.Wrapping, error) {
	if err := native.Required("wrapping", name); err != nil {
		return alg.NoWrapping, err
	}
	if how := alg.ParseWrapping(name); how != alg.NoWrapping {
		return how, nil
	}
	return alg.NoWrapping, fault.New(fault.InvalidArgument, "the wrapping %q is not known", name)
}

func (f *front) exportWrapped(ctx context.Context, r *native.Request, req *wire.ExportWrappedRequest) (*wire.WrappedKey, error) {
	how, err := wrappingOf(req.Wrapping)
	if err != nil {
		return nil, err
	}
	wrapped, err := f.keys.ExportWrapped(ctx, r.Call, keyOf(r), req.Under, how)
	if err != nil {
		return nil, err
	}
	return &wire.WrappedKey{Key: r.Path("key"), Wrapping: how.String(), Wrapped: wrapped}, nil
}
