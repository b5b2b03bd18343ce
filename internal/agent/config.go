package agent

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/config"
)

// Config is an agent's configuration. The zero value of a field means its
// default, which its comment gives.
type Config struct {
	Server Server `yaml:"server"`
	// State is the directory of what outlives the process; it holds keys, and
	// only its owner may read it. Default: /var/lib/holdfast-agent.
	State string `yaml:"state"`
	// Host is what reports call this machine. Default: its own name.
	Host string `yaml:"host"`
	// Poll is the time between looks at the server, give or take a tenth.
	// Default: 5m.
	Poll Duration `yaml:"poll"`
	// Retry is how failures are followed by other attempts.
	Retry Retry      `yaml:"retry"`
	Log   config.Log `yaml:"log"`
	// Certificates are those to keep.
	Certificates []Certificate `yaml:"certificates"`
}

// Server says where the server is and as whom the agent asks it.
type Server struct {
	// URL is such as "https://kms.example.com:8443".
	URL string `yaml:"url"`
	// CA is a PEM file with the certificates to trust. Default: the system's.
	CA string `yaml:"ca"`
	// Region is the region of the certificates. Default: the server's own.
	Region string `yaml:"region"`
	// Timeout bounds each request. Default: 30s.
	Timeout Duration `yaml:"timeout"`
	// AccessKeyID and the file with the secret that goes with it are one way to
	// say who asks. Default: the variables HOLDFAST_ACCESS_KEY_ID and
	// HOLDFAST_SECRET_ACCESS_KEY.
	AccessKeyID         string `yaml:"access_key_id"`
	SecretAccessKeyFile string `yaml:"secret_access_key_file"`
	// ClientCertificate and ClientKey, PEM files, are the other way: mutual TLS.
	// They are read for each connection, so that the agent may keep them itself.
	ClientCertificate string `yaml:"client_certificate"`
	ClientKey         string `yaml:"client_key"`
}

// Retry bounds the time before another attempt. It doubles with each failure.
type Retry struct {
	First Duration `yaml:"first"` // Default: 1m.
	Most  Duration `yaml:"most"`  // Default: 1h.
}

// Certificate is one certificate with the places of its files. Managed or
// Request says where it comes from.
type Certificate struct {
	// Name is what the log, reports and the state directory call it.
	Name string `yaml:"name"`
	// Managed is the id of a managed certificate.
	Managed string   `yaml:"managed"`
	Request *Request `yaml:"request"`
	// Dir is a directory of the agent's own for Files with relative paths: they
	// are in Dir/current, a symbolic link to the version in use, which changes
	// all of them at once. Default: none.
	Dir    string  `yaml:"dir"`
	Files  []File  `yaml:"files"`
	Reload *Reload `yaml:"reload"`
	Check  *Check  `yaml:"check"`
}

// File is one file that a certificate is written to.
type File struct {
	// Path is absolute, or relative to the certificate's Dir.
	Path string `yaml:"path"`
	// Format is pem, pkcs12 or jks. Default: pem.
	Format string `yaml:"format"`
	// Content of a pem file is cert, chain (its issuers without the root),
	// fullchain (both), key, or bundle (the key and fullchain). Default: fullchain.
	Content string `yaml:"content"`
	// PasswordFile has the password of a pkcs12 or jks file.
	PasswordFile string `yaml:"password_file"`
	// Alias is the name of the entry of a jks file. Default: the certificate's Name.
	Alias string `yaml:"alias"`
	// Protection of a pkcs12 file is modern, legacy-3des or legacy-rc2. Default:
	// modern.
	Protection string `yaml:"protection"`
	// Owner and Group are names or numbers. Default: the agent's own.
	Owner string `yaml:"owner"`
	Group string `yaml:"group"`
	// Mode is in octal. Default: 0600 for what has a key, else 0644.
	Mode Mode `yaml:"mode"`
}

// Reload is how the program that uses the files is told of new ones: by a
// Command, or by a Signal to the process whose id is in PIDFile.
type Reload struct {
	// Command is a program and its arguments; no shell reads them.
	Command []string `yaml:"command"`
	Signal  string   `yaml:"signal"` // HUP, USR1, USR2, TERM … Default: HUP.
	PIDFile string   `yaml:"pid_file"`
	// Timeout ends the command with all that it started. Default: 30s.
	Timeout Duration `yaml:"timeout"`
}

// Check is where the new certificate has to be met by TLS.
type Check struct {
	// Address is "host:port".
	Address string `yaml:"address"`
	// ServerName is sent, and has to be a name of the certificate. Default: the
	// address's host.
	ServerName string `yaml:"server_name"`
	// CA is a PEM file of the roots that the served chain has to lead to.
	// Default: none, and the chain is not verified.
	CA string `yaml:"ca"`
	// Within is how long the server may take to present it. Default: 15s.
	Within Duration `yaml:"within"`
}

// Duration is a time.Duration that may also be written in days ("30d").
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	if days, ok := strings.CutSuffix(n.Value, "d"); ok {
		if count, err := strconv.ParseUint(days, 10, 16); err == nil {
			*d = Duration(count) * Duration(24*time.Hour)
			return nil
		}
	}
	parsed, err := time.ParseDuration(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %q is no time such as 90s, 12h or 30d", n.Line, n.Value)
	}
	*d = Duration(parsed)
	return nil
}

// Mode is a file's permissions, 0 for the default.
type Mode os.FileMode

// UnmarshalYAML reads permissions in octal.
func (m *Mode) UnmarshalYAML(n *yaml.Node) error {
	bits, err := strconv.ParseUint(strings.TrimPrefix(n.Value, "0o"), 8, 32)
	if err != nil || n.Kind != yaml.ScalarNode || bits == 0 || bits&^0o777 != 0 {
		return fmt.Errorf("line %d: %q is no mode such as 0640", n.Line, n.Value)
	}
	*m = Mode(bits)
	return nil
}

// Bounds of an agent's work.
const (
	maxConfig       = 1 << 20 // bytes of a configuration
	maxCertificates = 1000
	maxFiles        = 32 // of one certificate
	minPoll         = 100 * time.Millisecond
)

// Load reads a configuration file.
func Load(path string) (*Config, error) {
	text, err := config.ReadFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// Parse reads a configuration in YAML, puts in the defaults and validates the
// result. An unknown key is an error that names its line.
func Parse(text []byte) (*Config, error) {
	c := new(Config)
	if err := config.Decode(text, c); err != nil {
		return nil, err
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, config.Wrong(err)
	}
	return c, nil
}

// or sets a field that was left out.
func or[T comparable](field *T, otherwise T) {
	var none T
	if *field == none {
		*field = otherwise
	}
}

// complete puts in the defaults.
func (c *Config) complete() error {
	if c.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("asking for the host's name: %w", err)
		}
		c.Host = name
	}
	or(&c.State, "/var/lib/holdfast-agent")
	or(&c.Poll, Duration(5*time.Minute))
	or(&c.Retry.First, Duration(time.Minute))
	or(&c.Retry.Most, max(Duration(time.Hour), c.Retry.First))
	or(&c.Server.Timeout, Duration(30*time.Second))
	or(&c.Log.Level, "info")
	or(&c.Log.Format, "text")
	for i := range c.Certificates {
		c.Certificates[i].complete()
	}
	return nil
}

func (c *Certificate) complete() {
	for i := range c.Files {
		f := &c.Files[i]
		or(&f.Format, formatPEM)
		if f.Format == formatPEM {
			or(&f.Content, contentFullchain)
		}
		if f.Format == formatJKS {
			or(&f.Alias, c.Name)
		}
		if f.Format == formatPKCS12 {
			or(&f.Protection, "modern")
		}
		mode := Mode(0o644)
		if f.secret() {
			mode = 0o600
		}
		or(&f.Mode, mode)
	}
	if r := c.Reload; r != nil {
		or(&r.Timeout, Duration(30*time.Second))
		if len(r.Command) == 0 {
			or(&r.Signal, "HUP")
		}
	}
	if k := c.Check; k != nil {
		or(&k.Within, Duration(15*time.Second))
		if host, _, err := net.SplitHostPort(k.Address); err == nil {
			or(&k.ServerName, host)
		}
	}
	if c.Request != nil {
		c.Request.complete()
	}
}

// signals are those that may be sent.
var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT,
	"WINCH": syscall.SIGWINCH,
}

// plainName is what a certificate's name looks like: it is a directory's too.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// hostName is what a host's name in reports looks like.
var hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// absolute reports whether a path is one from the root, and as short as it
// can be written.
func absolute(path string) bool { return filepath.IsAbs(path) && filepath.Clean(path) == path }
