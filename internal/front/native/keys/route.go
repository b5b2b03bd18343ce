// Package keys serves keys and their aliases over the native API: what they are, who may use them, and their use.
package keys

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// front has the handlers.
type front struct {
	keys *kms.Service
}

// Operations returns the operations on keys and aliases.
func Operations(keys *kms.Service) []native.Operation {
	f := &front{keys}
	return slices.Concat(f.manage(), f.use(), f.aliases())
}

func (f *front) manage() []native.Operation {
	return []native.Operation{
		native.Post("/keys", "CreateKey", key.CreateKey, native.Handle(f.createKey)).Created(),
		native.Post("/keys/adopt", "AdoptKey", key.AdoptKey, native.Handle(f.adoptKey)).Created(),
		native.Post("/keys/import", "ImportKey", key.ImportKey, native.Handle(f.importKey)).Created(),
		native.Post("/keys/import-wrapped", "ImportWrappedKey", key.ImportKey, native.Handle(f.importWrapped)).Created(),
		native.Post("/keys/{key}/export-wrapped", "ExportWrappedKey", key.ExportKey, native.Handle(f.exportWrapped)),
		native.Post("/keys/{key}/export", "ExportKey", key.ExportKey, native.Handle(f.exportKey)),
		native.Get("/keys", "ListKeys", key.ListKeys, native.Handle(f.listKeys)).Takes(native.Paged()...),
		native.Get("/keys/{key}", "DescribeKey", key.DescribeKey, native.Handle(f.describeKey)),
		native.Put("/keys/{key}/description", "UpdateDescription", key.UpdateKeyDescription, native.Handle(f.updateDescription)),
		native.Post("/keys/{key}/enable", "EnableKey", key.EnableKey, native.Handle(f.enableKey)),
		native.Post("/keys/{key}/disable", "DisableKey", key.DisableKey, native.Handle(f.disableKey)),
		native.Post("/keys/{key}/schedule-deletion", "ScheduleDeletion", key.ScheduleKeyDeletion, native.Handle(f.scheduleDeletion)),
		native.Post("/keys/{key}/cancel-deletion", "CancelDeletion", key.CancelKeyDeletion, native.Handle(f.cancelDeletion)),
		native.Get("/keys/{key}/policy", "GetPolicy", key.GetKeyPolicy, native.Handle(f.policy)),
		native.Put("/keys/{key}/policy", "PutPolicy", key.PutKeyPolicy, native.Handle(f.putPolicy)),
		native.Get("/keys/{key}/tags", "ListTags", key.ListResourceTags, native.Handle(f.listTags)).Takes(native.Paged()...),
		native.Post("/keys/{key}/tags", "Tag", key.TagResource, native.Handle(f.tag)),
		native.Delete("/keys/{key}/tags", "Untag", key.UntagResource, native.Handle(f.untag)).Takes("key"),
		native.Get("/keys/{key}/rotation", "GetRotation", key.GetKeyRotationStatus, native.Handle(f.rotation)),
		native.Put("/keys/{key}/rotation", "EnableRotation", key.EnableKeyRotation, native.Handle(f.enableRotation)),
		native.Delete("/keys/{key}/rotation", "DisableRotation", key.DisableKeyRotation, native.Handle(f.disableRotation)),
		native.Post("/keys/{key}/rotate", "Rotate", key.RotateKeyOnDemand, native.Handle(f.rotate)),
		native.Get("/keys/{key}/rotations", "ListRotations", key.ListKeyRotations, native.Handle(f.listRotations)).Takes(native.Paged()...),
	}
}

func (f *front) use() []native.Operation {
	return []native.Operation{
		native.Get("/keys/{key}/public-key", "GetPublicKey", key.GetPublicKey, native.Handle(f.publicKey)),
		native.Post("/keys/{key}/sign", "Sign", key.Sign, native.Handle(f.sign)),
		native.Post("/keys/{key}/verify", "Verify", key.Verify, native.Handle(f.verify)),
		native.Post("/keys/{key}/encrypt", "Encrypt", key.Encrypt, native.Handle(f.encrypt)),
		native.Post("/decrypt", "Decrypt", key.Decrypt, native.Handle(f.decrypt)),
		native.Post("/re-encrypt", "ReEncrypt", key.ReEncryptFrom, native.Handle(f.reEncrypt)),
		native.Post("/keys/{key}/data-key", "GenerateDataKey", key.GenerateDataKey, native.Handle(f.dataKey)),
		native.Post("/keys/{key}/mac", "GenerateMAC", key.GenerateMAC, native.Handle(f.mac)),
		native.Post("/keys/{key}/verify-mac", "VerifyMAC", key.VerifyMAC, native.Handle(f.verifyMAC)),
		native.Post("/keys/{key}/derive", "DeriveSharedSecret", key.DeriveSharedSecret, native.Handle(f.sharedSecret)),
		native.Post("/random", "GenerateRandom", key.GenerateRandom, native.Handle(f.random)),
	}
}

func (f *front) aliases() []native.Operation {
	return []native.Operation{
		native.Post("/aliases", "CreateAlias", key.CreateAlias, native.Handle(f.createAlias)),
		native.Get("/aliases", "ListAliases", key.ListAliases, native.Handle(f.listAliases)).Takes(native.Paged("key")...),
		native.Put("/aliases/{alias}", "UpdateAlias", key.UpdateAlias, native.Handle(f.updateAlias)),
		native.Delete("/aliases/{alias}", "DeleteAlias", key.DeleteAlias, native.Handle(f.deleteAlias)),
	}
}
