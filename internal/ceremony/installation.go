package ceremony

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
)

// segmentMiB is the size of one file of the audit log: a ceremony's log is
// small, and its medium may be.
const segmentMiB = 1

func (a *Initialise) kind() string { return "initialise" }

func (a *Initialise) method() seal.Method {
	if a.Seal == "file" {
		return seal.InFile
	}
	return seal.UnderPassphrase
}

func (a *Initialise) describe(c *conduct) ([]Fact, error) {
	if seal.Exists(c.data()) && !c.log.has(eventStart, 1) {
		return nil, fault.New(fault.AlreadyExists, "%s is a data directory already: a later ceremony begins with the step open", c.data())
	}
	protection := "a passphrase of at least " + fmt.Sprint(seal.MinPassphrase) + " bytes"
	if a.method() == seal.InFile {
		protection = "NOTHING but the medium itself: whoever has it has every key"
	}
	return []Fact{{"data directory", c.data()}, {"protected by", protection}}, nil
}

// act makes the data directory. One with a seal is what an interrupted act
// left.
func (a *Initialise) act(ctx context.Context, c *conduct) (*outcome, error) {
	if !seal.Exists(c.data()) {
		phrase, err := a.passphrase(c)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(c.data(), 0o700); err != nil {
			return nil, fmt.Errorf("making the data directory: %w", err)
		}
		root, err := seal.Create(c.data(), a.method(), phrase)
		if err != nil {
			return nil, err
		}
		return c.opened(ctx, root)
	}
	return (&Open{}).act(ctx, c)
}

// passphrase has the new passphrase typed twice.
func (a *Initialise) passphrase(c *conduct) ([]byte, error) {
	if a.method() == seal.InFile || len(c.Passphrase) > 0 {
		return c.Passphrase, nil
	}
	for range tries {
		first, err := c.Person.Secret("New passphrase of the data directory: ")
		if err != nil {
			return nil, err
		}
		second, err := c.Person.Secret("The same passphrase again: ")
		if err != nil {
			return nil, err
		}
		switch {
		case !bytes.Equal(first, second):
			err = c.tell("The two are not the same.")
		case len(first) < seal.MinPassphrase:
			err = c.tell("A passphrase has at least %d bytes.", seal.MinPassphrase)
		default:
			return first, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fault.New(fault.InvalidArgument, "no passphrase was chosen: the ceremony stops here")
}

func (a *Open) kind() string { return "open" }

func (a *Open) describe(c *conduct) ([]Fact, error) {
	if !seal.Exists(c.data()) {
		return nil, fault.New(fault.NotFound, "%s is no data directory: the first ceremony begins with the step initialise", c.data())
	}
	return []Fact{{"data directory", c.data()}}, nil
}

func (a *Open) act(ctx context.Context, c *conduct) (*outcome, error) {
	root, err := seal.Open(c.data(), c.askPassphrase)
	if err != nil {
		return nil, err
	}
	return c.opened(ctx, root)
}

// askPassphrase asks for the passphrase of a data directory that exists.
func (c *conduct) askPassphrase() ([]byte, error) {
	if len(c.Passphrase) > 0 {
		return c.Passphrase, nil
	}
	return c.Person.Secret("Passphrase of the data directory: ")
}

// open opens the data directory that an earlier run opened.
func (c *conduct) open(ctx context.Context) error {
	_, err := (&Open{}).act(ctx, c)
	return err
}

// data returns the path of the data directory.
func (c *conduct) data() string { return filepath.Join(c.Dir, dataFolder) }

// opened opens what lies under a root key.
func (c *conduct) opened(ctx context.Context, root *seal.Root) (*outcome, error) {
	settings := config.Default()
	settings.Data, settings.PublicURL, settings.Audit.SegmentMiB = c.data(), c.script.PublicURL, segmentMiB
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	// The CRLs of an earlier ceremony are not this one's: they are made anew.
	if err := server.ForgetLists(&settings); err != nil {
		return nil, err
	}
	installation, err := server.OpenOffline(ctx, settings, root)
	if err != nil {
		return nil, err
	}
	c.installation = installation
	digest, err := publicDigest(installation.AuditKey().Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &outcome{facts: []Fact{{factInstallation, installation.Installation()}, {factAuditKey, digest}}}, nil
}

// publicDigest returns the SHA-256 of a public key's SubjectPublicKeyInfo.
func publicDigest(pub any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}
