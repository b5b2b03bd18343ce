package byok

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// maxFile is the longest file that is read, in bytes: a blob, or a key.
const maxFile = transfer.MaxBlob

// description is what a blob says without a secret being opened.
type description struct {
	KID        string `json:"kid"`
	Generator  string `json:"generator,omitempty"`
	Ciphertext int    `json:"ciphertext_bytes"`
	// Under are the key exchange keys that it may be under, by their sizes.
	Under []underSize `json:"under"`
}

type underSize struct {
	Bits int `json:"kek_bits"`
	// AESKey and Key are how long the two parts are, in bytes.
	AESKey int `json:"wrapped_aes_key_bytes"`
	Key    int `json:"wrapped_key_bytes"`
	// Least and Most bound the key's own length.
	Least int      `json:"key_bytes_min"`
	Most  int      `json:"key_bytes_max"`
	Specs []string `json:"specs"`
}

func (a *app) inspect() *cobra.Command {
	var file, kek string
	cmd := &cobra.Command{
		Use: "inspect [FILE]", Short: "Tell what a transfer blob says, without opening it", Args: cobra.MaximumNArgs(1),
		Long: "Tell what a transfer blob says, without opening it: which key exchange key it is for, what\n" +
			"made it, how long its parts are, and which keys are as long. Nothing of this is secret, and\n" +
			"nothing of it is proved: the key inside is known only once it is imported.",
		Example: "  holdfast byok inspect KeyTransferPackage.byok\n" +
			"  holdfast byok inspect --file KeyTransferPackage.byok --kek KEKforBYOK.publickey.pem --json",
	}
	cmd.Flags().StringVar(&file, "file", "-", "the transfer blob; - is standard input")
	cmd.Flags().StringVar(&kek, "kek", "", "the public half of the key exchange key, PEM or DER, where its size is in doubt")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			file = args[0]
		}
		data, err := a.Read(file, maxFile)
		if err != nil {
			return err
		}
		blob, err := transfer.ParseBlob(data)
		if err != nil {
			return terminal.Plain(err)
		}
		d, err := a.describe(blob, kek)
		if err != nil {
			return err
		}
		return a.showDescription(d)
	}
	return cmd
}

// describe says what is in a blob.
func (a *app) describe(blob *transfer.Blob, kek string) (*description, error) {
	d := &description{KID: blob.KID, Generator: blob.Generator, Ciphertext: len(blob.Ciphertext), Under: []underSize{}}
	sizes := possible(len(blob.Ciphertext))
	if kek != "" {
		public, err := a.kekFile(kek)
		if err != nil {
			return nil, err
		}
		if _, _, err := transfer.Split(public.Size(), blob.Ciphertext); err != nil {
			return nil, fmt.Errorf("the blob's ciphertext has %d bytes: too few for a key exchange key of %d bits, whose part alone has %d",
				len(blob.Ciphertext), public.N.BitLen(), public.Size())
		}
		sizes = []int{public.Size()}
	}
	for _, modulus := range sizes {
		rest := len(blob.Ciphertext) - modulus
		d.Under = append(d.Under, underSize{modulus * 8, modulus, rest, rest - 15, rest - 8, specNames(transfer.Specs(rest))})
	}
	return d, nil
}

// possible returns the sizes in bytes of key exchange keys under which a
// ciphertext would have a key that is as long as one that is known here.
func possible(ciphertext int) []int {
	var sizes []int
	for _, modulus := range []int{256, 384, 512} {
		if len(transfer.Specs(ciphertext-modulus)) > 0 {
			sizes = append(sizes, modulus)
		}
	}
	return sizes
}

// specNames spells specs as the API does.
func specNames(specs []alg.Spec) []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = aws.SpecName(s)
	}
	return names
}

func (a *app) showDescription(d *description) error {
	return a.Show(d, func(w *terminal.Table) {
		w.Fact("For the key", d.KID)
		w.Fact("Made by", d.Generator)
		w.Fact("Ciphertext", fmt.Sprintf("%d bytes", d.Ciphertext))
		for _, u := range d.Under {
			w.Fact(fmt.Sprintf("Under RSA-%d", u.Bits), fmt.Sprintf("AES key %d bytes, key %d bytes: %d to %d bytes unwrapped",
				u.AESKey, u.Key, u.Least, u.Most))
			w.Fact("  as long as", strings.Join(u.Specs, ", "))
		}
		if len(d.Under) == 0 {
			w.Fact("The key", "as long as none that is known here")
		}
	})
}
