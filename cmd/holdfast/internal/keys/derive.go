package keys

import (
	"context"
	"encoding/pem"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxPublicKey is the longest public key that is read, in bytes.
const maxPublicKey = 16 << 10

func (a *app) keyDerive() *cobra.Command {
	var key keyArgument
	var out terminal.Output
	var req client.SharedSecretRequest
	var peer string
	cmd := key.add(a, &cobra.Command{
		Use: "derive", Short: "Derive the secret that a key shares with the owner of a public key",
		Long: "Derive the secret that a key with the usage KEY_AGREEMENT shares with the owner of a public key.\n" +
			"It is what ECDH yields, and no key itself: make keys of it by a key derivation function.",
		Example: "  holdfast key create --spec ECC_NIST_P256 --usage KEY_AGREEMENT --alias inbox\n" +
			"  holdfast key derive inbox --peer sender.pem --out secret\n" +
			"  openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:$(xxd -p -c 99 secret) -kdfopt info:v1 -out key -binary HKDF",
	})
	cmd.Flags().StringVar(&peer, "peer", "", "the file with the other's public key, PEM or DER; - is standard input")
	cmd.Flags().StringVar(&req.Algorithm, "algorithm", "ECDH", "the algorithm")
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.KeyAgreement))
	terminal.Require(cmd, "peer")
	out.Flags(cmd)
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) (err error) {
		if _, err := terminal.ParseAlgorithm(req.Algorithm, alg.KeyAgreement); err != nil {
			return err
		}
		if req.PublicKey, err = a.publicKey(peer); err != nil {
			return err
		}
		r, err := c.DeriveSharedSecret(ctx, name, &req)
		if err != nil {
			return err
		}
		defer clear(r.Secret)
		return a.WriteBytes(out, r.Secret, r)
	})
	return cmd
}

// publicKey reads a SubjectPublicKeyInfo, in PEM or in DER.
func (a *app) publicKey(path string) ([]byte, error) {
	data, err := a.Read(path, maxPublicKey)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	switch {
	case block == nil:
		return data, nil
	case block.Type != "PUBLIC KEY":
		return nil, terminal.Usagef("%s has no public key, but a %s", path, block.Type)
	}
	return block.Bytes, nil
}
