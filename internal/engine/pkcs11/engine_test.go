//go:build linux && (amd64 || arm64) && !static

package pkcs11

import (
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
)

// TestEngine runs the contract on SoftHSM 2.6, with what that lacks.
func TestEngine(t *testing.T) {
	p := newPlace(t, preset.Preset{})
	e := newEngine(t, p)
	adopted := []string{}
	wraps := []alg.Algorithm{alg.AESKW, alg.AESKWP} // of its own objects only
	enginetest.Test(t, enginetest.Config{
		New:         func(*testing.T) engine.Engine { return e },
		Unsupported: []alg.Spec{alg.MLDSA44, alg.MLDSA65, alg.MLDSA87},
		NoAlgorithm: map[alg.Spec][]alg.Algorithm{
			alg.Ed25519: {alg.Ed25519ph}, alg.AES128: wraps, alg.AES192: wraps, alg.AES256: wraps,
		},
		Restricts:    true,
		NoExport:     alg.Specs(),
		NoUnwrap:     []alg.Spec{alg.Ed25519},
		NoWrapExport: []alg.Spec{alg.Ed25519},
		NoWrapping:   []alg.Wrapping{alg.WrapOAEPSHA256},
		Pads:         true,
		Adopt: func(t *testing.T, _ engine.Engine, spec alg.Spec) string {
			label := "by the operator: " + spec.String()
			p.tool(t, append(operator(spec), "--label", label)...)
			if adopted = append(adopted, label); !spec.Symmetric() {
				adopted = append(adopted, label)
			}
			return "pkcs11:object=" + url.PathEscape(label)
		},
	})
	adopted = append(adopted, "made-by-name", "made-by-name") // both halves: Make leaves a key that is nobody's
	slices.Sort(adopted)
	if diff := cmp.Diff(adopted, p.objects(t)); diff != "" {
		t.Errorf("the objects that are left (-want +got):\n%s", diff)
	}
}

// operator returns what pkcs11-tool is told to make a key of the spec.
func operator(spec alg.Spec) []string {
	bytes := strconv.Itoa(spec.Info().Bits / 8)
	switch spec.Info().Family { //nolint:exhaustive // all others are curves
	case alg.AES:
		return []string{"--keygen", "--key-type", "AES:" + bytes}
	case alg.HMAC:
		return []string{"--keygen", "--key-type", "GENERIC:" + bytes}
	case alg.RSA:
		return []string{"--keypairgen", "--key-type", "rsa:" + strconv.Itoa(spec.Info().Bits)}
	}
	return []string{"--keypairgen", "--key-type", "EC:" + map[alg.Spec]string{
		alg.P256: "secp256r1", alg.P384: "secp384r1", alg.P521: "secp521r1", alg.Secp256k1: "secp256k1", alg.Ed25519: "edwards25519",
	}[spec]}
}
