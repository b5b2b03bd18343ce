package modules

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/agent"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/remote"
)

// Config is the configuration of the PKCS #11 agent. The zero value of a field
// means its default, which its comment gives.
type Config struct {
	// Socket is where applications connect. Default: /run/holdfast/pkcs11.sock, or
	// holdfast/pkcs11.sock in $XDG_RUNTIME_DIR for who is not root.
	Socket string `yaml:"socket"`
	// Owner and Group of the socket are names or numbers. Default: the agent's own.
	Owner string `yaml:"owner"`
	Group string `yaml:"group"`
	// Mode of the socket is in octal. Default: 0600.
	Mode agent.Mode `yaml:"mode"`
	// Users are those whose programs may connect, as names or numbers. Default: all
	// whom the socket's mode lets in.
	Users []string `yaml:"users"`
	// Applications is how many there are at the same time. Default: 1024.
	Applications int        `yaml:"applications"`
	Log          config.Log `yaml:"log"`
	// Slots are the tokens that applications see, 1 to 64.
	Slots []Slot `yaml:"slots"`
}

// Slot is one token.
type Slot struct {
	// Label is the token's name, as in "pkcs11:token=web".
	Label string `yaml:"label"`
	// Serial is the token's serial number. Default: 16 digits made of the server,
	// region and label.
	Serial string `yaml:"serial"`
	// Server is the server. With a credential in it applications need the PIN of
	// PINFile, or none; with access_key_id alone a PIN is the secret; with neither
	// it is ACCESSKEYID:SECRET.
	Server agent.Server `yaml:"server"`
	// PINFile has a PIN of your own for the credential in Server. Default: none.
	PINFile string `yaml:"pin_file"`
	// Keyless is where signatures are made over Keyless SSL. Default: nowhere, and
	// the server makes them.
	Keyless Keyless `yaml:"keyless"`
	// Keys are ids and aliases ("alias/web-*") of keys to show, Tags what keys have
	// to have. Default: all that the credential may see.
	Keys []string          `yaml:"keys"`
	Tags map[string]string `yaml:"tags"`
	// Certificates is best, or all to show each valid certificate of a key.
	// Default: best.
	Certificates string `yaml:"certificates"`
}

// Keyless says where key servers are.
type Keyless struct {
	// Servers are such as "kms.example.com:2407".
	Servers []string `yaml:"servers"`
	// ServerName is in their certificates. Default: each one's host.
	ServerName string `yaml:"server_name"`
	// CA is a PEM file with the certificates to trust. Default: the server's.
	CA string `yaml:"ca"`
	// Connections is how many are kept to each. Default: 2.
	Connections int `yaml:"connections"`
}

// Limits of a configuration.
const (
	maxConfig = 1 << 20 // bytes
	maxSlots  = 64
)

// load reads a configuration file.
func load(path string) (*Config, error) {
	text, err := config.ReadFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// parse reads a configuration in YAML, puts in the defaults and validates the
// result. An unknown key is an error that names its line.
func parse(text []byte) (*Config, error) {
	c := new(Config)
	if err := config.Decode(text, c); err != nil {
		return nil, err
	}
	if err := c.complete(); err != nil {
		return nil, config.Wrong(err)
	}
	return c, nil
}

// complete puts in the defaults and returns all that is wrong.
func (c *Config) complete() error {
	if c.Socket == "" {
		c.Socket = defaultSocket()
	}
	if c.Mode == 0 {
		c.Mode = 0o600
	}
	var wrong []error
	if !filepath.IsAbs(c.Socket) {
		wrong = append(wrong, fmt.Errorf("socket: %q is not an absolute path", c.Socket))
	}
	if n := len(c.Slots); n < 1 || n > maxSlots {
		wrong = append(wrong, fmt.Errorf("slots: there are 1 to %d of them", maxSlots))
	}
	labels := map[string]bool{}
	for i := range c.Slots {
		s := &c.Slots[i]
		if labels[s.Label] {
			wrong = append(wrong, fmt.Errorf("slots[%d].label: %q comes twice", i, s.Label))
		}
		labels[s.Label] = true
		for _, problem := range s.complete() {
			wrong = append(wrong, fmt.Errorf("slots[%d].%s", i, problem))
		}
	}
	return errors.Join(wrong...)
}

// complete puts in the defaults and returns what is wrong.
func (s *Slot) complete() (wrong []string) {
	if s.Certificates == "" {
		s.Certificates = certificatesBest
	}
	if s.Server.Timeout == 0 {
		s.Server.Timeout = agent.Duration(30 * time.Second)
	}
	for text, is := range map[string]bool{
		"label: 1 to 32 bytes name the token":                                                            len(s.Label) < 1 || len(s.Label) > 32,
		"serial: it has at most 16 bytes":                                                                len(s.Serial) > 16,
		"certificates: they are best or all":                                                             !slices.Contains([]string{certificatesBest, certificatesAll}, s.Certificates),
		"server.url: it is missing":                                                                      s.Server.URL == "",
		"server.timeout: it is above zero":                                                               s.Server.Timeout < 0,
		"server: secret_access_key_file needs an access_key_id":                                          s.Server.SecretAccessKeyFile != "" && s.Server.AccessKeyID == "",
		"server: client_certificate and client_key go together":                                          (s.Server.ClientCertificate == "") != (s.Server.ClientKey == ""),
		"server: an access key's secret and a client certificate exclude each other":                     s.Server.ClientCertificate != "" && s.Server.SecretAccessKeyFile != "",
		"pin_file: it is for a server with a credential":                                                 s.PINFile != "" && s.Server.ClientCertificate == "" && s.Server.SecretAccessKeyFile == "",
		"keyless.servers: they are missing":                                                              len(s.Keyless.Servers) == 0 && (s.Keyless.ServerName != "" || s.Keyless.CA != "" || s.Keyless.Connections != 0),
		fmt.Sprintf("keyless.connections: there are at most %d of them, and not a negative number", 256): s.Keyless.Connections < 0 || s.Keyless.Connections > 256,
	} {
		if is {
			wrong = append(wrong, text)
		}
	}
	slices.Sort(wrong)
	return wrong
}

// What a slot shows of a key's certificates.
const (
	certificatesBest = "best"
	certificatesAll  = "all"
)

// token returns how the slot's token is opened.
func (s *Slot) token(userAgent string) (remote.Config, error) {
	c := remote.Config{
		Label: s.Label, Serial: s.Serial, AllCertificates: s.Certificates == certificatesAll, AccessKeyID: s.Server.AccessKeyID,
		Server: client.Config{
			Address: s.Server.URL, CACert: s.Server.CA, Region: s.Server.Region, Timeout: time.Duration(s.Server.Timeout), UserAgent: userAgent,
			ClientCertificate: s.Server.ClientCertificate, ClientKey: s.Server.ClientKey,
		},
		Choice: remote.Choice{Keys: s.Keys},
		Own:    s.Server.ClientCertificate != "" || s.Server.SecretAccessKeyFile != "",
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		c.Choice.Tags = append(c.Choice.Tags, client.Tag{Key: name, Value: s.Tags[name]})
	}
	if k := s.Keyless; len(k.Servers) > 0 {
		c.Keyless = &remote.Keyless{Servers: k.Servers, ServerName: k.ServerName, CACert: k.CA, Connections: k.Connections}
	}
	if s.PINFile != "" {
		pin, err := agent.ReadSecret(s.PINFile)
		if err != nil {
			return c, err
		}
		c.PIN = pin
	}
	if s.Server.SecretAccessKeyFile != "" {
		secret, err := agent.ReadSecret(s.Server.SecretAccessKeyFile)
		if err != nil {
			return c, err
		}
		c.Server.AccessKeyID, c.Server.SecretAccessKey = s.Server.AccessKeyID, string(secret)
	}
	return c, nil
}
