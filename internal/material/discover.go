package material

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// Discover finds out of which spec wrapped material is, by its size and by
// trying; usage may be alg.NoUsage. What it makes for that under ref, it ends
// again. Size is that of what AES-KWP made of the plain form.
func Discover(ctx context.Context, s *Supply, ref engine.Ref, usage alg.Usage, size int) (alg.Spec, error) {
	err := error(fault.New(fault.InvalidArgument, "the size of the wrapped key is that of no known key"))
	tried := 0
	for _, spec := range transfer.Specs(size) {
		kind := engine.Kind{Spec: spec, Usage: usage}
		if usages := spec.Info().Usages; usage == alg.NoUsage {
			kind.Usage = usages[0]
		} else if !slices.Contains(usages, usage) {
			continue
		}
		tried++
		var m engine.Material
		if m, err = s.From(ctx, s.In, ref, kind); err == nil {
			Discard(ctx, s.In, ref, m)
			return spec, nil
		}
		if fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.Unspecified {
			return alg.NoSpec, err
		}
	}
	if tried > 1 { // the last type's words would mislead
		err = &fault.Error{
			Kind: fault.InvalidArgument, Err: err,
			Public: "the key material is no sound key of any type that is as long: a private key has to be PKCS #8",
		}
	}
	return alg.NoSpec, err
}
