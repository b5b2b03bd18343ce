package spire

import (
	"context"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-kms/holdfast"
)

// Plugin is the KeyManager. It serves the plug-in's own service and that of its
// configuration.
type Plugin struct {
	keymanagerv1.UnsafeKeyManagerServer
	configv1.UnsafeConfigServer

	opts []holdfast.Option
	log  hclog.Logger

	// mu is held for reading by every call, so that a new configuration waits
	// for those that use the old one.
	mu      sync.RWMutex
	manager *manager // guarded by mu; nil before Configure
}

var (
	_ keymanagerv1.KeyManagerServer = (*Plugin)(nil)
	_ configv1.ConfigServer         = (*Plugin)(nil)
	_ pluginsdk.NeedsLogger         = (*Plugin)(nil)
)

// New returns a KeyManager that is to be configured, and opens keys with the
// options.
func New(opts ...holdfast.Option) *Plugin {
	return &Plugin{opts: opts, log: hclog.NewNullLogger()}
}

// SetLogger gives the plug-in SPIRE's log.
func (p *Plugin) SetLogger(log hclog.Logger) { p.log = log }

// Configure takes the plug-in's configuration, in HCL, and opens the keys. Where it fails, an earlier configuration stays.
func (p *Plugin) Configure(ctx context.Context, req *configv1.ConfigureRequest) (*configv1.ConfigureResponse, error) {
	c, err := parseConfig(req.GetHclConfiguration())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := open(ctx, c, p.log, p.opts)
	if err != nil {
		return nil, statusOf(err)
	}
	old := p.manager
	p.manager = m
	if old != nil {
		if err := old.close(); err != nil {
			p.log.Warn("closing the keys of the old configuration", "reason", err)
		}
	}
	return &configv1.ConfigureResponse{}, nil
}

// Close gives up all keys.
func (p *Plugin) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.manager == nil {
		return nil
	}
	m := p.manager
	p.manager = nil
	return m.close()
}

// use calls f with the keys of the configuration.
func use[T any](p *Plugin, f func(*manager) (T, error)) (T, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.manager == nil {
		var none T
		return none, status.Error(codes.FailedPrecondition, "the plug-in is not configured yet")
	}
	answer, err := f(p.manager)
	return answer, statusOf(err)
}

// GenerateKey makes a key, which replaces the one of the same name.
func (p *Plugin) GenerateKey(ctx context.Context, req *keymanagerv1.GenerateKeyRequest) (*keymanagerv1.GenerateKeyResponse, error) {
	return use(p, func(m *manager) (*keymanagerv1.GenerateKeyResponse, error) {
		spec, ok := types[req.GetKeyType()]
		if !ok || req.GetKeyId() == "" {
			return nil, invalid("a key has an id and one of the types of keys, not %q and %s", req.GetKeyId(), req.GetKeyType())
		}
		h, err := m.make(ctx, req.GetKeyId(), spec)
		if err != nil {
			return nil, err
		}
		return &keymanagerv1.GenerateKeyResponse{PublicKey: h.public}, nil
	})
}

// GetPublicKey returns the public half of a key.
func (p *Plugin) GetPublicKey(_ context.Context, req *keymanagerv1.GetPublicKeyRequest) (*keymanagerv1.GetPublicKeyResponse, error) {
	return use(p, func(m *manager) (*keymanagerv1.GetPublicKeyResponse, error) {
		h, err := m.get(req.GetKeyId())
		if err != nil {
			return nil, err
		}
		return &keymanagerv1.GetPublicKeyResponse{PublicKey: h.public}, nil
	})
}

// GetPublicKeys returns the public halves of all keys.
func (p *Plugin) GetPublicKeys(context.Context, *keymanagerv1.GetPublicKeysRequest) (*keymanagerv1.GetPublicKeysResponse, error) {
	return use(p, func(m *manager) (*keymanagerv1.GetPublicKeysResponse, error) {
		return &keymanagerv1.GetPublicKeysResponse{PublicKeys: m.list()}, nil
	})
}

// SignData signs a digest.
func (p *Plugin) SignData(ctx context.Context, req *keymanagerv1.SignDataRequest) (*keymanagerv1.SignDataResponse, error) {
	return use(p, func(m *manager) (*keymanagerv1.SignDataResponse, error) {
		h, err := m.get(req.GetKeyId())
		if err != nil {
			return nil, err
		}
		algorithm, err := algorithmOf(h.public.GetType(), req)
		if err != nil {
			return nil, err
		}
		signature, err := h.key.SignDigestWith(ctx, algorithm, req.GetData())
		if err != nil {
			return nil, err
		}
		return &keymanagerv1.SignDataResponse{Signature: signature, KeyFingerprint: h.public.GetFingerprint()}, nil
	})
}
