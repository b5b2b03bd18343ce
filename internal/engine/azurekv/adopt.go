package azurekv

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// Adopt finds a key that is in the vault already: by its URL
// (https://contoso.vault.azure.net/keys/web/78de…), by name and version
// (web/78de…) or by name alone, or by the URL of a certificate whose key it is.
// Without a version the current one is meant, now and for ever, but an AES key
// follows the vault: it encrypts with what is current there when it does. A key
// that a Holdfast made is not adopted: it is somebody's already, perhaps another
// realm's.
func (e *Engine) Adopt(ctx context.Context, ref engine.Ref, name string) (engine.Kind, engine.Material, error) {
	id, err := e.locate(ctx, name)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	k, err := e.get(ctx, "Adopt", id)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	if reserved(k.id.Name) {
		return engine.Kind{}, engine.Material{}, fault.New(fault.WrongState, "%s is a key of this or another Holdfast, and has a name there: it is not adopted a second time", k.id.Name)
	}
	if k.kty.Software() == azure.Oct {
		if err := e.probe(ctx, k); err != nil {
			return engine.Kind{}, engine.Material{}, err
		}
	}
	list := usages(k.spec, k.ops)
	if len(list) == 0 {
		return engine.Kind{}, engine.Material{}, fault.New(fault.Unsupported, "the key (%s, for %v) is of no type and use that is supported here", k.kty, k.ops)
	}
	r, err := k.reference(list)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	r.Adopted = true
	if k.spec == alg.AES256 && id.Version == "" {
		r.Version = ""
	}
	m, err := remote.Seal(e.box, ref, k.spec, r)
	return engine.Kind{Spec: k.spec, Usage: list[0]}, m, err
}

// locate returns which of the vault's keys a name means.
func (e *Engine) locate(ctx context.Context, name string) (azure.Identifier, error) {
	text := name
	if !strings.Contains(name, "://") {
		text = e.vault.String() + name // which ends in keys/
	}
	id, err := azure.ParseIdentifier(text)
	if err != nil {
		return id, fault.New(fault.InvalidArgument, "%q names no key of a vault: %v", name, err)
	}
	if !strings.EqualFold(strings.TrimSuffix(id.Host, ":443"), e.vault.Host) {
		return id, fault.New(fault.NotFound, "%q is in another vault than the one of %s", name, e.name)
	}
	id.Host = e.vault.Host
	switch id.Collection {
	case azure.Keys:
		return id, nil
	case azure.Certificates:
		return e.ofCertificate(ctx, id)
	case azure.Secrets, azure.DeletedKeys:
	}
	return id, fault.New(fault.InvalidArgument, "%q names no key of a vault", name)
}

// ofCertificate returns the key of a certificate.
func (e *Engine) ofCertificate(ctx context.Context, id azure.Identifier) (azure.Identifier, error) {
	if e.managed {
		return id, fault.New(fault.Unsupported, "a Managed HSM has no certificates")
	}
	var at azure.Identifier
	err := e.do(ctx, "Adopt", remote.Repeatable, func(ctx context.Context) error {
		answer, err := e.certificates.GetCertificate(ctx, id.Name, id.Version, nil)
		if err != nil {
			return err
		}
		if answer.KID == nil {
			return foreign("a certificate without a key")
		}
		at, err = same(e.named(id.Name), new(azkeys.ID(*answer.KID)))
		return err
	})
	return at, err
}

// probe finds out what a symmetric key is, which the vault does not show, by
// using it: a Managed HSM takes only the algorithm that goes with the key's size.
func (e *Engine) probe(ctx context.Context, k *found) error {
	at := k.id
	at.Version = ""
	r := &remote.Reference{Name: at.String(), Version: k.id.Version}
	var err error
	switch {
	case azure.Allows(k.ops, alg.AES256, alg.EncryptDecrypt):
		k.spec = alg.AES256
		_, err = e.seal(ctx, r, []byte("probe"), nil)
	case azure.Allows(k.ops, alg.HMAC256, alg.GenerateVerifyMAC):
		k.spec = alg.HMAC256
		_, err = e.mac(ctx, r, alg.HMACSHA256, []byte("probe"))
	default:
		k.spec = alg.NoSpec
	}
	if fault.KindOf(err) == fault.InvalidArgument && err != nil {
		return fault.New(fault.Unsupported, "the key (%s, for %v) does not have the 256 bits that keys have here", k.kty, k.ops)
	}
	return err
}
