// Package gcpkms is the engine whose keys live in Google Cloud KMS: in software
// or in HSMs of Google's, in one key ring.
//
// Start with New. Each version of a Holdfast key is a CryptoKey of its own with
// one version (package remote says why); keys that are there already can be
// adopted by their resource names. All requests and answers carry CRC32C
// checksums, which are checked, as the names in the answers are.
//
// A key of Cloud KMS has one algorithm. RSA keys for signatures take what was
// made of the digest (RSA_SIGN_RAW_PKCS1_*) unless Options say otherwise, so
// that they have PKCS #1 with every hash, and no PSS; ML-DSA keys take the
// message representative, so that messages can be of any length.
//
// The package is internal and may change with any release.
package gcpkms

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// Options are how an engine reaches Cloud KMS and what it makes there. The zero
// value of a field is its default.
type Options struct {
	remote.Settings
	// KeyRing is where new keys are made, as
	// "projects/P/locations/L/keyRings/R". It must exist. Without it the engine
	// makes none, and uses those that are adopted.
	KeyRing string
	// Level is the protection level of new keys: "SOFTWARE" or "HSM". Default:
	// SOFTWARE.
	Level string
	// RSASigns and RSADecrypts are what new RSA keys do. Default: PKCS #1 with
	// every hash, and OAEP with SHA-256.
	RSASigns, RSADecrypts alg.Algorithm
	// DestroyAfter is how long a key that was destroyed can be recovered, at
	// least 24 h. Default: the service's own, 30 days.
	DestroyAfter time.Duration
	// Endpoint is "host:port"; "http://host:port" is without TLS, and only for
	// loopback addresses. Default: cloudkms.googleapis.com:443, or that of the
	// universe that GOOGLE_CLOUD_UNIVERSE_DOMAIN names.
	Endpoint string
	// CA are the certificates in PEM that the endpoint's chain must end in.
	// Default: the system's.
	CA []byte
	// CredentialsFile or Credentials are a service account's key, a workload
	// identity's configuration, or another of Google's credentials in JSON.
	// Default: Application Default Credentials: GOOGLE_APPLICATION_CREDENTIALS,
	// gcloud's file, the metadata server.
	CredentialsFile string
	Credentials     *Credentials
	// Anonymous sends no credentials, for emulators.
	Anonymous bool
	// QuotaProject is who pays. Default: what the credentials say.
	QuotaProject string
}

// Credentials are credentials in JSON. They print as nothing.
type Credentials struct {
	engine.Redacted
	JSON []byte
}

// Engine is a key ring. All methods may be called at the same time.
type Engine struct {
	options Options
	level   gcp.Level
	ring    gcp.KeyRingName // zero without one
	table   *gcp.Table
	line    *remote.Line
	box     engine.Box
	service *service
}

// The interfaces that an Engine is.
var (
	_ engine.Importer  = (*Engine)(nil)
	_ engine.Adopter   = (*Engine)(nil)
	_ engine.Maker     = (*Engine)(nil)
	_ engine.Lister    = (*Engine)(nil)
	_ engine.Namer     = (*Engine)(nil)
	_ engine.Keeper    = (*Engine)(nil)
	_ engine.Protector = (*Engine)(nil)
)

// New returns an engine. It checks the options and credentials that are given,
// and reaches nothing: Application Default Credentials are looked for by the
// first request. The engine's Close ends its connection.
func New(_ context.Context, w engine.Wrapper, o Options) (*Engine, error) {
	if o.Name == "" || w == nil {
		return nil, fault.New(fault.InvalidArgument, "an engine needs a name and a wrapper")
	}
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	e := &Engine{options: o, table: gcp.NewTable(), box: remote.Box(w, "gcpkms")}
	if err := e.place(); err != nil {
		return nil, err
	}
	var err error
	if e.service, err = newService(o); err != nil {
		return nil, err
	}
	e.line = remote.NewLine(o.Settings, classify)
	return e, nil
}

// place reads the options that say where and what keys are.
func (e *Engine) place() (err error) {
	o := e.options
	if o.KeyRing != "" {
		if e.ring, err = gcp.ParseKeyRing(o.KeyRing); err != nil {
			return invalid("KeyRing", err)
		}
	}
	level, known := gcp.ParseLevel(cmp.Or(o.Level, "SOFTWARE"))
	if !known || level != kmspb.ProtectionLevel_SOFTWARE && level != kmspb.ProtectionLevel_HSM {
		return invalid("Level", fmt.Errorf("%q is neither SOFTWARE nor HSM", o.Level))
	}
	e.level = level
	if o.DestroyAfter != 0 && o.DestroyAfter < 24*time.Hour {
		return invalid("DestroyAfter", fmt.Errorf("%s is less than 24h", o.DestroyAfter))
	}
	for _, a := range []struct {
		option string
		want   alg.Algorithm
		usage  alg.Usage
	}{{"RSASigns", o.RSASigns, alg.SignVerify}, {"RSADecrypts", o.RSADecrypts, alg.EncryptDecrypt}} {
		// Each algorithm of the table goes with RSA-4096, or with none.
		if _, ok := e.table.Choose(alg.RSA4096, a.usage, level, a.want); !ok {
			return invalid(a.option, fmt.Errorf("keys of Cloud KMS do not do %q", a.want))
		}
	}
	return nil
}

func invalid(option string, err error) error {
	return &fault.Error{Kind: fault.InvalidArgument, Op: "gcpkms.New", Public: option + ": " + err.Error()}
}

// Name returns the engine's name.
func (e *Engine) Name() string { return e.options.Name }

// Protection says what keeps the material of new keys.
func (e *Engine) Protection() key.Protection {
	if e.level == kmspb.ProtectionLevel_HSM {
		return key.HSM
	}
	return key.Outside
}

// Health returns how the service is.
func (e *Engine) Health() remote.Health { return e.line.Health() }

// Close ends the connection. Requests that are under way fail.
func (e *Engine) Close() error { return e.service.close() }

// choose returns what new keys of a spec and usage are.
func (e *Engine) choose(spec alg.Spec, usage alg.Usage) (gcp.Row, bool) {
	want := alg.NoAlgorithm
	if spec.Info().Family == alg.RSA {
		switch usage { //nolint:exhaustive // RSA keys do nothing else
		case alg.SignVerify:
			want = e.options.RSASigns
		case alg.EncryptDecrypt:
			want = e.options.RSADecrypts
		}
	}
	return e.table.Choose(spec, usage, e.level, want)
}

// Supports reports whether the engine makes keys of the spec for the usage.
func (e *Engine) Supports(spec alg.Spec, usage alg.Usage) bool {
	_, ok := e.choose(spec, usage)
	return ok && e.ring.KeyRing != ""
}

// row returns what a new key of a kind is, or Unsupported.
func (e *Engine) row(kind engine.Kind) (gcp.Row, error) {
	row, ok := e.choose(kind.Spec, kind.Usage)
	if !ok {
		return row, fault.New(fault.Unsupported, "the key service %s does not make keys of type %q for %q", e.Name(), kind.Spec, kind.Usage)
	}
	if e.ring.KeyRing == "" {
		return row, fault.New(fault.Unsupported, "the key service %s has no key ring to make keys in", e.Name())
	}
	return row, nil
}

// bounded returns a context for an operation of several requests.
func (e *Engine) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.options.Timeout)
}

// The least and the most that GenerateRandomBytes gives.
const minRandom, maxRandom = 8, 1024

// Random fills b from Google's HSMs where new keys are made in them. Cloud KMS
// has no other random source, so all other engines take that of this process.
func (e *Engine) Random(ctx context.Context, b []byte) error {
	if e.level != kmspb.ProtectionLevel_HSM || e.ring.KeyRing == "" {
		_, _ = rand.Read(b) // never fails
		return nil
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	for len(b) > 0 {
		req := &kmspb.GenerateRandomBytesRequest{
			Location: e.ring.LocationName.String(), ProtectionLevel: kmspb.ProtectionLevel_HSM,
			LengthBytes: int32(max(minRandom, min(len(b), maxRandom))),
		}
		err := e.call(ctx, "gcpkms.Random", remote.Repeatable, func(ctx context.Context, c *client) error {
			answer, err := c.GenerateRandomBytes(ctx, req)
			if err != nil {
				return err
			}
			defer clear(answer.GetData())
			if !gcp.Intact(answer.GetData(), answer.GetDataCrc32C()) || len(answer.GetData()) != int(req.GetLengthBytes()) {
				return damaged("random bytes")
			}
			b = b[copy(b, answer.GetData()):]
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
