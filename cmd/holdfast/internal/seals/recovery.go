package seals

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/recovery"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxPEM bounds a file with a certificate or a private key, in bytes.
const maxPEM = 64 << 10

func (a *app) recoveryCreate() *cobra.Command {
	var p place
	var certificates []string
	var quorum int
	var out string
	cmd := &cobra.Command{
		Use: "create", Short: "Put the root key into a package that a quorum of RSA keys opens", Args: cobra.NoArgs,
		Long: "Make a recovery package: the root key of a data directory, encrypted so that the private keys\n" +
			"of any --quorum of the certificates give it back, and fewer do not. There are 3 to 10\n" +
			"certificates, with RSA keys of at least 2048 bits, made where each key is to stay:\n\n" +
			"  openssl req -x509 -newkey rsa:3072 -keyout a-key.pem -out a.pem -subj /CN=Alice -days 3650\n\n" +
			"The directory must not be served, and its seal is opened. The package is no secret, but keep it\n" +
			"away from the keys; it is of use as long as the root key is not replaced.",
		Example: "  holdfast seal recovery create --data /var/lib/holdfast \\\n" +
			"    --certificate a.pem --certificate b.pem --certificate c.pem --quorum 2 --out recovery.json",
	}
	p.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&certificates, "certificate", nil, "a PEM file with a certificate that the package is for (3 to 10 times)")
	flags.IntVar(&quorum, "quorum", 2, "how many of the certificates' keys open the package")
	flags.StringVar(&out, "out", "", "the file to write; - is standard output")
	terminal.Require(cmd, "certificate", "out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.settings()
		if err != nil {
			return err
		}
		list, err := a.readCertificates(certificates)
		if err != nil {
			return err
		}
		o, err := Open(cmd.Context(), &c, &a.Terminal)
		if err != nil {
			return err
		}
		defer o.Close()
		return server.ExportRootKey(cmd.Context(), c, o, func(k *seal.RootKey) error {
			made, err := recovery.Create(k, list, quorum, time.Now())
			if err != nil {
				return err
			}
			text, err := made.Marshal()
			if err != nil {
				return err
			}
			return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, text, made)
		})
	}
	return cmd
}

// readCertificates reads one certificate of each file.
func (a *app) readCertificates(paths []string) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for _, path := range paths {
		text, err := a.Read(path, maxPEM)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("the file %s has no certificate in PEM", path)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate %s: %w", path, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func (a *app) recoveryInspect() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "inspect FILE", Short: "Show what a recovery package is of, and whose keys open it", Args: cobra.ExactArgs(1),
		Long: "Show what can be seen of a recovery package without any key. With --data, also whether it\n" +
			"holds the root key that the data directory has now; the exit status is 1 when it does not.",
		Example: "  holdfast seal recovery inspect recovery.json --data /var/lib/holdfast",
	}
	p.add(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		pack, err := a.readPackage(args[0])
		if err != nil {
			return err
		}
		err = a.Show(pack, func(w *terminal.Table) {
			w.Fact("Package", pack.ID)
			w.Fact("Installation", pack.Installation)
			w.Fact("Root key", pack.RootKey)
			w.Fact("Made", pack.CreatedAt)
			w.Fact("Quorum", fmt.Sprintf("%d of %d", pack.SharedKeys.Required, len(pack.SharedKeys.Shares)))
			for _, s := range pack.SharedKeys.Shares {
				w.Fact("Certificate", s.Subject+"  SHA-256 "+s.Thumbprint)
			}
		})
		if err != nil || (p.data == "" && p.file == "") {
			return err
		}
		c, err := p.settings()
		if err != nil {
			return err
		}
		status, err := seal.Inspect(c.Data)
		if err != nil {
			return err
		}
		if err := pack.Matches(status); err != nil {
			return err
		}
		return a.Done("It holds the root key of %s.", directory(&c))
	}
	return cmd
}

func (a *app) readPackage(path string) (*recovery.Package, error) {
	text, err := a.Read(path, recovery.MaxSize)
	if err != nil {
		return nil, err
	}
	return recovery.Parse(text)
}

func (a *app) recoveryRestore() *cobra.Command {
	var p place
	var f Flags
	var pack, backup string
	var keys []string
	cmd := &cobra.Command{
		Use: "restore", Short: "Make a data directory of a recovery package, and a backup", Args: cobra.NoArgs,
		Long: "Open a recovery package with the private keys of a quorum, and make a data directory with the\n" +
			"root key in it: with --backup together with a copy of the store (\"holdfast backup\"), whose\n" +
			"keys, authorities and users then work again; without it the store can be put there later, as\n" +
			"holdfast.db. The directory must have neither a seal nor a store; an audit log that is there\n" +
			"already is gone on with, so copy the lost one's first if you have it. --seal says how the new\n" +
			"directory is sealed.",
		Example: "  holdfast seal recovery restore --data /srv/restored --package recovery.json \\\n" +
			"    --key a-key.pem --key c-key.pem --backup holdfast-2026-11-22.db --seal passphrase",
	}
	p.add(cmd)
	f.Add(cmd, string(seal.InFile))
	flags := cmd.Flags()
	flags.StringVar(&pack, "package", "", "the recovery package")
	flags.StringArrayVar(&keys, "key", nil, "a PEM file with the RSA private key of one of the certificates (as many times as the quorum)")
	flags.StringVar(&backup, "backup", "", "a copy of the store, as \"holdfast backup\" makes it")
	terminal.Require(cmd, "data", "package", "key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		c, err := p.settings()
		if err != nil {
			return err
		}
		root, err := a.openPackage(pack, keys)
		if err != nil {
			return err
		}
		defer root.Clear()
		plan, end, err := f.Plan(cmd.Context(), &c, &a.Terminal, func() ([]byte, error) { return firstPassphrase(&c, &a.Terminal) })
		if end != nil {
			defer func() { err = errors.Join(err, end()) }()
		}
		if err != nil {
			return err
		}
		if err := server.Restore(cmd.Context(), c, server.Restoration{Key: root, Plan: plan, Deliver: f.Deliver(&a.Terminal), Backup: backup}); err != nil {
			return err
		}
		text := "%s has the root key %s"
		if backup == "" {
			return a.Done(text+": put the store there, as %s.", directory(&c), root.ID(), filepath.Join(c.Data, "holdfast.db"))
		}
		return a.Done(text+", and the store of the backup: \"holdfast server --data %[1]s\" serves it.", directory(&c), root.ID())
	}
	return cmd
}

// openPackage opens a recovery package with private keys from files.
func (a *app) openPackage(path string, keyPaths []string) (*seal.RootKey, error) {
	pack, err := a.readPackage(path)
	if err != nil {
		return nil, err
	}
	var keys []*rsa.PrivateKey
	for _, path := range keyPaths {
		k, err := a.readKey(path)
		if err != nil {
			return nil, fmt.Errorf("reading the private key %s: %w", path, err)
		}
		keys = append(keys, k)
	}
	return recovery.Restore(pack, keys)
}

// readKey reads an RSA private key, as PKCS #8 or PKCS #1.
func (a *app) readKey(path string) (*rsa.PrivateKey, error) {
	text, err := a.Read(path, maxPEM)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	defer clear(block.Bytes)
	if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("it is encrypted: \"openssl pkey -in FILE\" decrypts it, which may be piped in as --key /dev/stdin")
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is no private key")
	}
	k, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("it is not an RSA key")
	}
	return k, nil
}
