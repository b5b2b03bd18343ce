// Package awskms is the engine whose keys live in AWS KMS, or in what speaks
// its API: Holdfast itself, an emulator. They are made there and never leave
// it; what Holdfast keeps is a sealed reference.
//
// Start with New. Requests go through a remote.Line, with the SDK's own retries
// off (request.go); what the service's errors mean is in errors.go. AWS KMS
// has no names for keys and no idempotency token for making them: create.go
// says how one call, or the next one, still makes one key only.
//
// The package is internal and may change with any release.
package awskms

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// Options say which account is meant, and as whom. Only what cannot be found in
// the environment needs to be set.
type Options struct {
	remote.Settings
	// Region is where keys are made. Default: AWS_REGION, AWS_DEFAULT_REGION, or
	// the profile's.
	Region string
	// Profile is one of the shared configuration files. Default: AWS_PROFILE, or
	// "default".
	Profile string
	// Endpoint is the URL of the service: https, or http to a loopback address.
	// Default: AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL, the profile's, or AWS's own
	// in the region.
	Endpoint string
	// STSEndpoint is the same for AWS STS, which gives out a role's credentials,
	// and TrailEndpoint for AWS CloudTrail, which is only asked by Survey.
	STSEndpoint, TrailEndpoint string
	// Credentials are a fixed access key. Default: the SDK's chain, which is the
	// environment, a web identity, the shared files, and the role of the
	// container or of the machine.
	Credentials *Credentials
	// Role is the ARN of a role to assume with these credentials, ExternalID the
	// id that its owner asks for, and Session the name of the session. Default:
	// no role, no id, and "holdfast".
	Role, ExternalID, Session string
	// WebIdentityTokenFile is a file with an OpenID Connect token, with which, and
	// with nothing else, Role is assumed. It is read again for each renewal.
	WebIdentityTokenFile string
	// CA are the authorities that may vouch for the service. Default: the
	// system's, and those of AWS_CA_BUNDLE.
	CA *x509.CertPool
	// DeletionDays is how long a key that was destroyed can be recovered: 7 to
	// 30. Default: 7.
	DeletionDays int
	// ImportUnder is the RSA key under which material travels that is imported.
	// Default: RSA4096.
	ImportUnder alg.Spec
	// Without are specs that the service does not have: not every partition of
	// AWS has them all, and emulators have few. Default: none.
	Without []alg.Spec
	// NoImport says that the service takes no material that was made elsewhere.
	NoImport bool
}

// Credentials are an access key, and the token of a session where it is one.
type Credentials struct {
	engine.Redacted
	AccessKeyID, SecretAccessKey, SessionToken string
}

// Engine implements engine.Engine over AWS KMS.
type Engine struct {
	line        *remote.Line
	box         engine.Box
	options     Options
	region      string
	client      *kms.Client
	trails      *cloudtrail.Client
	credentials *source
	transport   *http.Transport
	does        remote.Operations
	turns       turns
	doubts      doubts
}

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Importer  = (*Engine)(nil)
	_ engine.Adopter   = (*Engine)(nil)
	_ engine.Maker     = (*Engine)(nil)
	_ engine.Lister    = (*Engine)(nil)
	_ engine.Keeper    = (*Engine)(nil)
	_ engine.Namer     = (*Engine)(nil)
	_ engine.Protector = (*Engine)(nil)
)

// The bounds of ScheduleKeyDeletion's PendingWindowInDays.
const (
	minDeletionDays = 7
	maxDeletionDays = 30
)

// New returns an engine for the keys of an account and region. It reaches
// nobody: that a credential does not work shows at the first request.
func New(ctx context.Context, w engine.Wrapper, o Options) (*Engine, error) {
	if w == nil {
		return nil, fault.New(fault.InvalidArgument, "an engine over AWS KMS needs something to seal references with")
	}
	o.Name = cmp.Or(o.Name, "awskms")
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.DeletionDays, o.ImportUnder = cmp.Or(o.DeletionDays, minDeletionDays), cmp.Or(o.ImportUnder, alg.RSA4096)
	if err := o.check(); err != nil {
		return nil, err
	}
	e := &Engine{box: remote.Box(w, "awskms"), options: o, line: remote.NewLine(o.Settings, classify)}
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	e.does = e.operations()
	return e, nil
}

// check refuses options that cannot work.
func (o *Options) check() error {
	switch {
	case o.DeletionDays < minDeletionDays || o.DeletionDays > maxDeletionDays:
		return fault.New(fault.InvalidArgument, "AWS KMS keeps a deleted key for %d to %d days, not %d", minDeletionDays, maxDeletionDays, o.DeletionDays)
	case o.ImportUnder.Info().Family != alg.RSA:
		return fault.New(fault.InvalidArgument, "key material is imported under an RSA key, not one of type %q", o.ImportUnder)
	case o.WebIdentityTokenFile != "" && o.Role == "":
		return fault.New(fault.InvalidArgument, "a web identity needs the role that it is to assume")
	case o.ExternalID != "" && (o.Role == "" || o.WebIdentityTokenFile != ""):
		return fault.New(fault.InvalidArgument, "an external id is for a role that is assumed with other credentials")
	}
	for _, endpoint := range []string{o.Endpoint, o.STSEndpoint, o.TrailEndpoint} {
		if err := checkEndpoint(endpoint); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint refuses a URL over which plaintexts would travel in the clear.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return fault.New(fault.InvalidArgument, "an endpoint is a URL such as https://kms.eu-central-1.amazonaws.com, without a user or a query")
	}
	if u.Scheme == "http" && !remote.Loopback(u.Hostname()) {
		return fault.New(fault.InvalidArgument, "the endpoint %s is not encrypted, and not on this machine", endpoint)
	}
	return nil
}

// Name returns the engine's configured name.
func (e *Engine) Name() string { return e.options.Name }

// Protection returns key.HSM: AWS KMS keeps keys in hardware.
func (*Engine) Protection() key.Protection { return key.HSM }

// Health returns how the service is.
func (e *Engine) Health() remote.Health { return e.line.Health() }

// Close ends the connections that are idle. It does not wait for requests.
func (e *Engine) Close() error {
	e.transport.CloseIdleConnections()
	return nil
}

// usages are those of the table that AWS KMS has: its keys for transfer have no
// id, and last for one import.
func usages() []alg.Usage {
	return []alg.Usage{alg.EncryptDecrypt, alg.SignVerify, alg.GenerateVerifyMAC, alg.KeyAgreement}
}

// Supports reports whether the service makes keys of the spec for the usage: of
// the table all, but for key exchange keys.
func (e *Engine) Supports(spec alg.Spec, usage alg.Usage) bool {
	return spec.Allows(usage) && slices.Contains(usages(), usage) && !slices.Contains(e.options.Without, spec)
}

// Imports reports whether the service takes material of the spec. AWS says that
// it takes all types; for ML-DSA that has not been tried on AWS itself.
func (e *Engine) Imports(spec alg.Spec) bool {
	return !e.options.NoImport && slices.ContainsFunc(spec.Info().Usages, func(u alg.Usage) bool { return e.Supports(spec, u) }) && !slices.Contains(e.options.Without, spec)
}

// unsupported is the answer to a kind of key that the service does not have.
func (e *Engine) unsupported(kind engine.Kind) error {
	return fault.New(fault.Unsupported, "the key service %s has no keys of type %q for %q", e.Name(), kind.Spec, kind.Usage)
}

// Random fills b from the service's random source.
func (e *Engine) Random(ctx context.Context, b []byte) error {
	const most = 1024 // NumberOfBytes
	for part := range slices.Chunk(b, most) {
		in := &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(int32(len(part)))} //nolint:gosec // at most 1,024
		_, err := ask(ctx, e, call{op: "GenerateRandom", how: remote.Repeatable}, e.client.GenerateRandom, in, func(out *kms.GenerateRandomOutput) error {
			defer clear(out.Plaintext)
			if copy(part, out.Plaintext) != len(part) {
				return &wrongAnswer{"too few random bytes"}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
