package keyserver

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Config is a gokeyless.yaml: first its own keys, then those that Holdfast adds.
// Paths that are not absolute are in the folder of the file.
type Config struct {
	// LogLevel is 0 (debug) to 5 (fatal), or a name: debug, info, warning, error,
	// critical, fatal. Default: info.
	LogLevel Level `yaml:"loglevel"`
	// Hostname, ZoneID, OriginCAAPIKey and AuthCSR are for having a certificate
	// made by Cloudflare's API, which is not done here.
	Hostname       string `yaml:"hostname"`
	ZoneID         string `yaml:"zone_id"`
	OriginCAAPIKey string `yaml:"origin_ca_api_key"`
	AuthCSR        string `yaml:"auth_csr"`
	// PrivateKeyStores are where the keys are. At least one must be given.
	PrivateKeyStores []Store `yaml:"private_key_stores"`
	// AuthCert and AuthKey are the server's certificate and its key, PEM files.
	// Default: server.pem and server-key.pem.
	AuthCert string `yaml:"auth_cert"`
	AuthKey  string `yaml:"auth_key"`
	// CloudflareCACert has the authorities of clients, a PEM file: every client has
	// a certificate from one of them. Default: keyless_cacert.pem.
	CloudflareCACert string `yaml:"cloudflare_ca_cert"`
	// Port and MetricsPort are of all of the machine's addresses. Default: 2407 and
	// 2406. -1 is none, and 0 a free one.
	Port        int `yaml:"port"`
	MetricsPort int `yaml:"metrics_port"`
	// PIDFile gets the process's id. Default: none.
	PIDFile string `yaml:"pid_file"`

	// Listen and MetricsListen are addresses in the place of the ports, such as
	// 127.0.0.1:2407. Default: none.
	Listen        string `yaml:"listen"`
	MetricsListen string `yaml:"metrics_listen"`
	// Unix is the path of a Unix socket that is served too. Default: none.
	Unix string `yaml:"unix"`
	// MinimumTLS is "1.2" or "1.3". Default: 1.2.
	MinimumTLS string `yaml:"minimum_tls"`
	// AuditDir is where every use of a key is recorded, before it is answered.
	// Default: the folder "audit" in that of the variable STATE_DIRECTORY, as
	// systemd sets it, and without that none: the log says so.
	AuditDir string `yaml:"audit_dir"`
	// Allow says which clients may use which keys. Default: all may use all.
	Allow []Rule `yaml:"allow"`
	// SealKey is the URI of the symmetric key of the operations seal and unseal.
	// Default: none, and nothing is sealed.
	SealKey string `yaml:"seal_key"`
	// MaxConnections, InFlight and Queue are as the server's (package config).
	// Default: 10000, 256, 1024.
	MaxConnections int `yaml:"max_connections"`
	InFlight       int `yaml:"in_flight"`
	Queue          int `yaml:"queue"`
}

// Store is a place of keys: one of the fields is given.
type Store struct {
	// Dir has the files *.key, and those *.pem that have private keys.
	Dir string `yaml:"dir"`
	// File is one key.
	File string `yaml:"file"`
	// URI is a key of a token (RFC 7512), of Azure (https://NAME.vault.azure.net/keys/K/V),
	// of Google (projects/…), or of any place that the library reaches
	// (docs/library.md): awskms:, hashivault:, holdfast: …
	URI string `yaml:"uri"`
}

// Rule lets clients use keys.
type Rule struct {
	// Clients are names in the clients' certificates: DNS names, addresses, URIs,
	// mail addresses, the common name; "*" for all.
	Clients []string `yaml:"clients"`
	// Keys are SKIs in hexadecimal, or the names by which the server lists the keys
	// when it starts, in which "*" stands for any characters but "/"; "*" alone for
	// all.
	Keys []string `yaml:"keys"`
}

// Level is how much is logged.
type Level string

// levels are the names of gokeyless's levels, and ours.
var levels = map[string]string{
	"0": "debug", "1": "info", "2": "warn", "3": "error", "4": "error", "5": "error",
	"debug": "debug", "info": "info", "warning": "warn", "warn": "warn", "error": "error", "critical": "error", "fatal": "error",
}

// Name returns the level in package config's words.
func (l Level) Name() string { return levels[strings.ToLower(string(l))] }

// Default returns the configuration with every default.
func Default() *Config {
	return &Config{
		LogLevel: "info", AuthCert: "server.pem", AuthKey: "server-key.pem", CloudflareCACert: "keyless_cacert.pem",
		Port: 2407, MetricsPort: 2406, MinimumTLS: "1.2", MaxConnections: 10_000, InFlight: 256, Queue: 1024,
	}
}

// maxConfig is the longest configuration in bytes.
const maxConfig = 1 << 20

// VariablePrefix begins the names of the environment variables that go before the
// file: KEYLESS_PORT, KEYLESS_AUTH_CERT and so on, for every key whose value is a
// text or a number.
const VariablePrefix = "KEYLESS_"

// Load reads a file over the defaults, and the environment over it, and then what
// override sets. Paths come out absolute.
func Load(path string, getenv func(string) string, override func(*Config)) (*Config, error) {
	text, err := config.ReadFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(text)
	if err == nil {
		err = c.environment(getenv)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	if override != nil {
		override(c)
	}
	if dir := getenv("STATE_DIRECTORY"); c.AuditDir == "" && filepath.IsAbs(dir) {
		c.AuditDir = filepath.Join(dir, "audit")
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	c.absolute(folder)
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// Parse reads YAML over the defaults. Errors name the line.
func Parse(text []byte) (*Config, error) {
	c := Default()
	if err := config.Decode(text, c); err != nil {
		return nil, err
	}
	return c, nil
}

// environment takes what variables say.
func (c *Config) environment(getenv func(string) string) error {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		name := VariablePrefix + strings.ToUpper(v.Type().Field(i).Tag.Get("yaml"))
		text := getenv(name)
		if text == "" {
			continue
		}
		switch f := v.Field(i); f.Kind() { //nolint:exhaustive // the others are lists
		case reflect.String:
			f.SetString(text)
		case reflect.Int:
			n, err := strconv.Atoi(text)
			if err != nil {
				return fault.New(fault.InvalidArgument, "the variable %s is %q, and no number", name, text)
			}
			f.SetInt(int64(n))
		}
	}
	return nil
}

// absolute makes paths absolute.
func (c *Config) absolute(folder string) {
	paths := []*string{&c.AuthCert, &c.AuthKey, &c.CloudflareCACert, &c.PIDFile, &c.Unix, &c.AuditDir}
	for i := range c.PrivateKeyStores {
		paths = append(paths, &c.PrivateKeyStores[i].Dir, &c.PrivateKeyStores[i].File)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}

// Address returns where the key server listens, "" for nowhere, and
// MetricsAddress where its figures are shown.
func (c *Config) Address() string { return address(c.Listen, c.Port) }

// MetricsAddress returns where the figures are shown, "" for nowhere.
func (c *Config) MetricsAddress() string { return address(c.MetricsListen, c.MetricsPort) }

func address(listen string, port int) string {
	switch {
	case listen != "":
		return listen
	case port < 0:
		return ""
	}
	return net.JoinHostPort("", strconv.Itoa(port))
}

// validate reports all that is wrong.
func (c *Config) validate() error {
	var wrong []error
	refuse := func(name, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}
	if c.LogLevel.Name() == "" {
		refuse("loglevel", "%q is none of debug, info, warning, error, critical, fatal, and not 0 to 5", c.LogLevel)
	}
	if len(c.PrivateKeyStores) == 0 {
		refuse("private_key_stores", "there is no key to serve")
	}
	for i, s := range c.PrivateKeyStores {
		if given := len(nonEmpty(s.Dir, s.File, s.URI)); given != 1 {
			refuse(fmt.Sprintf("private_key_stores[%d]", i), "it has %d of dir, file and uri, not one", given)
		}
	}
	for i, r := range c.Allow {
		if len(r.Clients) == 0 || len(r.Keys) == 0 {
			refuse(fmt.Sprintf("allow[%d]", i), "it lets nobody use anything: clients and keys are needed")
		}
	}
	if c.Address() == "" && c.Unix == "" {
		refuse("port", "nothing is served: there is neither a port nor a Unix socket")
	}
	c.validateShared(refuse)
	if len(wrong) > 0 {
		return &fault.Error{Kind: fault.InvalidArgument, Op: "config", Public: errors.Join(wrong...).Error()}
	}
	return nil
}

func nonEmpty(texts ...string) []string {
	var list []string
	for _, t := range texts {
		if t != "" {
			list = append(list, t)
		}
	}
	return list
}

// validateShared checks what a server's configuration has too, as that does.
func (c *Config) validateShared(refuse func(name, format string, args ...any)) {
	k := config.Default()
	k.Keyless.Listen, k.Keyless.Unix, k.Keyless.MinimumTLS = c.Address(), c.Unix, c.MinimumTLS
	k.Keyless.MaxConnections, k.Keyless.InFlight, k.Keyless.Queue = c.MaxConnections, c.InFlight, c.Queue
	if err := k.Validate(); err != nil {
		refuse("settings", "%v", err)
	}
	if m := c.MetricsAddress(); m != "" {
		if _, err := net.ResolveTCPAddr("tcp", m); err != nil {
			refuse("metrics_listen", "%v", err)
		}
	}
}

// Undone returns what the configuration asks for that is not done here, a line
// for each.
func (c *Config) Undone() []string {
	var lines []string
	for _, f := range []struct{ name, value, why string }{
		{"hostname", c.Hostname, "no DNS record or certificate is asked for from Cloudflare"},
		{"zone_id", c.ZoneID, "no certificate is asked for from Cloudflare"},
		{"origin_ca_api_key", c.OriginCAAPIKey, "Cloudflare's API is not called, and the key not used: remove it from the file"},
		{"auth_csr", c.AuthCSR, "no certificate request is written: auth_cert and auth_key must be there"},
	} {
		if f.value != "" {
			lines = append(lines, f.name+" is ignored: "+f.why)
		}
	}
	return lines
}
