package keys

import (
	"encoding/hex"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// modes are the flags with the parameters of AES's modes, for
// RAW_ENCRYPT_DECRYPT keys.
type modes struct {
	iv, associated string
	tagBits        int
}

func (m *modes) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.iv, "iv", "", "the initialisation vector of a RAW_ENCRYPT_DECRYPT key, in hexadecimal")
	cmd.Flags().StringVar(&m.associated, "associated-data", "", "the associated data of AES_GCM, in hexadecimal")
	cmd.Flags().IntVar(&m.tagBits, "tag-bits", 0, "the length of AES_GCM's tag: 96 to 128; 0 for 128")
}

// values reads the flags that are in hexadecimal.
func (m *modes) values() (iv, associated []byte, err error) {
	if iv, err = hex.DecodeString(m.iv); err != nil {
		return nil, nil, terminal.Usagef("--iv is not hexadecimal")
	}
	if associated, err = hex.DecodeString(m.associated); err != nil {
		return nil, nil, terminal.Usagef("--associated-data is not hexadecimal")
	}
	return iv, associated, nil
}

// raw reports whether an algorithm is a mode of AES.
func raw(name string) bool {
	_, err := terminal.ParseAlgorithm(name, alg.RawEncryptDecrypt)
	return err == nil
}
