package kms

import (
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// writeMetadata adds a key's KeyMetadata.
func (f *front) writeMetadata(out *wire.Encoder, k *key.Key) {
	out.Object("KeyMetadata", func() {
		out.Text("AWSAccountId", string(k.Name.Realm))
		out.Text("KeyId", string(k.Name.ID))
		writeARN(out, "Arn", k)
		out.Time("CreationDate", k.CreatedAt)
		out.Bool("Enabled", k.State == key.Enabled)
		out.Text("Description", k.Description)
		out.Text("KeyState", stateName(k.State))
		if !k.DeleteAt.IsZero() {
			out.Time("DeletionDate", k.DeleteAt)
		}
		out.Text("Origin", wire.KeyOriginName(k))
		f.writeStore(out, k)
		out.Text("KeyManager", keyManager(k))
		writeKind(out, k)
		out.Bool("MultiRegion", false)
		current := k.Current()
		if k.Spec == alg.AES256 && current.MaterialID != "" {
			out.Text("CurrentKeyMaterialId", current.MaterialID)
		}
		writeExpiry(out, k, &current)
	})
}

// keyManager returns the KeyManagerType of a key.
func keyManager(k *key.Key) string {
	if k.Provided {
		return "AWS"
	}
	return "CUSTOMER"
}

// writeKind adds what the key is and what it can do, as KeyMetadata and
// GetPublicKey have it.
func writeKind(out *wire.Encoder, k *key.Key) {
	spec := wire.SpecName(k.Spec)
	out.Text("CustomerMasterKeySpec", spec)
	out.Text("KeySpec", spec)
	out.Text("KeyUsage", wire.UsageName(k.Usage))
	list, ok := algorithmLists[k.Usage]
	if !ok {
		return
	}
	out.Array(list, func() {
		for _, a := range k.Spec.For(k.Usage) {
			out.Text("", wire.AlgorithmName(a))
		}
	})
}

// algorithmLists are the members that list a key's algorithms. A key of a usage
// that AWS does not have shows it as KeyUsage in Holdfast's own word, and no
// algorithms.
var algorithmLists = map[alg.Usage]string{
	alg.EncryptDecrypt: "EncryptionAlgorithms", alg.SignVerify: "SigningAlgorithms", alg.GenerateVerifyMAC: "MacAlgorithms",
	alg.KeyAgreement: "KeyAgreementAlgorithms",
}

// stateName returns AWS's KeyState.
func stateName(s key.State) string {
	switch s {
	case key.Creating:
		return "Creating"
	case key.Enabled:
		return "Enabled"
	case key.Disabled:
		return "Disabled"
	case key.PendingDeletion:
		return "PendingDeletion"
	case key.PendingImport:
		return "PendingImport"
	case key.Unavailable:
		return "Unavailable"
	case key.Destroyed:
	}
	return ""
}
