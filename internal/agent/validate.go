package agent

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/keystore"
)

// problems collects what is wrong with a configuration.
type problems []error

// add notes what is wrong with the setting at a path.
func (p *problems) add(at, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

// validate reports all that is wrong.
func (c *Config) validate() error {
	var wrong problems
	c.Server.validate(&wrong)
	if !absolute(c.State) {
		wrong.add("state", "%q is not an absolute path", c.State)
	}
	if !hostName.MatchString(c.Host) {
		wrong.add("host", "%q is no host's name", c.Host)
	}
	if time.Duration(c.Poll) < minPoll {
		wrong.add("poll", "it is at least %s", minPoll)
	}
	if c.Retry.First <= 0 || c.Retry.Most < c.Retry.First {
		wrong.add("retry", "first is above zero, and most at least as long")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		wrong.add("log.level", "%q is none of debug, info, warn and error", c.Log.Level)
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		wrong.add("log.format", "%q is neither text nor json", c.Log.Format)
	}
	if n := len(c.Certificates); n < 1 || n > maxCertificates {
		wrong.add("certificates", "there are 1 to %d of them", maxCertificates)
	}
	names, places := map[string]bool{}, map[string]bool{}
	for i := range c.Certificates {
		crt := &c.Certificates[i]
		at := fmt.Sprintf("certificates[%d]", i)
		if !plainName.MatchString(crt.Name) || names[crt.Name] {
			wrong.add(at+".name", "%q comes twice, or is not 1 to 64 letters, digits, dots, hyphens and underscores", crt.Name)
		}
		names[crt.Name] = true
		crt.validate(at, &wrong)
		for _, place := range crt.places() {
			if places[place] {
				wrong.add(at, "%s is written to twice", place)
			}
			places[place] = true
		}
	}
	return errors.Join(wrong...)
}

func (s *Server) validate(wrong *problems) {
	if s.URL == "" {
		wrong.add("server.url", "it is missing")
	}
	if (s.AccessKeyID == "") != (s.SecretAccessKeyFile == "") {
		wrong.add("server", "access_key_id and secret_access_key_file go together")
	}
	if (s.ClientCertificate == "") != (s.ClientKey == "") {
		wrong.add("server", "client_certificate and client_key go together")
	}
	if s.ClientCertificate != "" && s.AccessKeyID != "" {
		wrong.add("server", "an access key and a client certificate exclude each other")
	}
	if s.Timeout <= 0 {
		wrong.add("server.timeout", "it is above zero")
	}
}

func (c *Certificate) validate(at string, wrong *problems) {
	if (c.Managed == "") == (c.Request == nil) {
		wrong.add(at, "exactly one of managed and request says where it comes from")
	}
	if c.Request != nil {
		c.Request.validate(at+".request", wrong)
	}
	if c.Dir != "" && !absolute(c.Dir) {
		wrong.add(at+".dir", "%q is not an absolute path", c.Dir)
	}
	if n := len(c.Files); n < 1 || n > maxFiles {
		wrong.add(at+".files", "there are 1 to %d of them", maxFiles)
	}
	for i := range c.Files {
		c.Files[i].validate(fmt.Sprintf("%s.files[%d]", at, i), c.Dir != "", wrong)
	}
	if c.Reload != nil {
		c.Reload.validate(at+".reload", wrong)
	}
	if c.Check != nil {
		c.Check.validate(at+".check", wrong)
	}
}

func (f *File) validate(at string, dir bool, wrong *problems) {
	switch {
	case filepath.IsAbs(f.Path) && !absolute(f.Path), f.Path == "":
		wrong.add(at+".path", "%q is no path of a file", f.Path)
	case !filepath.IsAbs(f.Path) && !dir:
		wrong.add(at+".path", "%q is not absolute, and the certificate has no dir", f.Path)
	case !filepath.IsAbs(f.Path) && !plainName.MatchString(f.Path):
		wrong.add(at+".path", "%q is not the name of a file", f.Path)
	}
	store := f.Format == formatPKCS12 || f.Format == formatJKS
	switch {
	case !store && f.Format != formatPEM:
		wrong.add(at+".format", "%q is none of pem, pkcs12 and jks", f.Format)
	case !store && !slices.Contains(contents(), f.Content):
		wrong.add(at+".content", "%q is none of %v", f.Content, contents())
	case store && f.Content != "":
		wrong.add(at+".content", "only a pem file has one")
	case store != (f.PasswordFile != ""):
		wrong.add(at+".password_file", "pkcs12 and jks need one, pem has none")
	case f.Alias != "" && f.Format != formatJKS:
		wrong.add(at+".alias", "only a jks file has one")
	case f.Protection != "" && f.Format != formatPKCS12:
		wrong.add(at+".protection", "only a pkcs12 file has one")
	}
	if f.Format == formatPKCS12 {
		if _, err := keystore.ParseProtection(f.Protection); err != nil {
			wrong.add(at+".protection", "%q is none of modern, legacy-3des and legacy-rc2", f.Protection)
		}
	}
	if f.secret() && f.Mode&0o037 != 0 {
		wrong.add(at+".mode", "%04o lets more than the owner, and its group's readers, at a key", f.Mode)
	}
}

func (r *Reload) validate(at string, wrong *problems) {
	if (len(r.Command) == 0) == (r.PIDFile == "") {
		wrong.add(at, "it is a command, or a signal and a pid_file")
	}
	if _, known := signals[r.Signal]; r.PIDFile != "" && !known {
		wrong.add(at+".signal", "%q is none of HUP, USR1, USR2, TERM, INT, QUIT and WINCH", r.Signal)
	}
	if len(r.Command) > 0 && r.Signal != "" {
		wrong.add(at+".signal", "it goes with a pid_file")
	}
	if len(r.Command) > 0 && !absolute(r.Command[0]) {
		wrong.add(at+".command", "%q is not the absolute path of a program", r.Command[0])
	}
	if r.Timeout <= 0 {
		wrong.add(at+".timeout", "it is above zero")
	}
}

func (k *Check) validate(at string, wrong *problems) {
	if _, port, err := net.SplitHostPort(k.Address); err != nil || port == "" {
		wrong.add(at+".address", "%q is not host:port", k.Address)
	}
	if k.Within <= 0 {
		wrong.add(at+".within", "it is above zero")
	}
}

// places are what the certificate's files replace.
func (c *Certificate) places() []string {
	var list []string
	if c.Dir != "" {
		list = append(list, c.Dir)
	}
	for i := range c.Files {
		list = append(list, c.at(c.Files[i].Path))
	}
	return list
}

// at returns where a file of the certificate is found.
func (c *Certificate) at(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir, currentLink, path)
}
