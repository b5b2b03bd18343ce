package server

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// openCourier opens the ways out: by HTTP, and by mail where there is a mail
// server. Nobody is connected to.
func (i *instance) openCourier(ctx context.Context, c *config.Config, log *slog.Logger) error {
	roots, err := rootsIn("egress.ca_certificate", c.Egress.CACertificate)
	if err != nil {
		return err
	}
	i.poster = courier.NewHTTP(courier.HTTPOptions{
		Egress: courier.Egress{Allow: c.Egress.Allow}, Roots: roots, UserAgent: "Holdfast/" + Version().Version,
	})
	i.closers = append(i.closers, i.poster.Close)
	m := &c.Mail
	if m.Server == "" {
		return nil
	}
	o := courier.SMTPOptions{
		Host: m.Server, Security: courier.Security(m.Security), Method: m.Auth, User: m.User, Hello: m.Hello, Password: passwordIn(m.PasswordFile),
	}
	if host, port, err := net.SplitHostPort(m.Server); err == nil {
		o.Host = host
		if o.Port, err = strconv.Atoi(port); err != nil {
			return fault.New(fault.InvalidArgument, "mail.server: %q is no port", port)
		}
	}
	if o.Roots, err = rootsIn("mail.ca_certificate", m.CACertificate); err != nil {
		return err
	}
	if i.mailer, err = courier.NewSMTP(o); err != nil {
		return fault.New(fault.InvalidArgument, "mail: %v", err)
	}
	if o.Security == courier.NoTLS {
		log.WarnContext(ctx, "mail goes to the mail server of this machine WITHOUT TLS, as the configuration says: whoever can read its loopback reads it",
			slog.String("server", m.Server))
	}
	return nil
}

// passwordIn returns what reads a password anew each time.
func passwordIn(path string) func() (string, error) {
	return func() (string, error) {
		text, err := os.ReadFile(path) //nolint:gosec // the path is the configuration's own
		return strings.TrimSpace(string(text)), err
	}
}

// rootsIn reads the certificates to trust from a file, nil from none: the
// system's.
func rootsIn(setting, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // the system's
	}
	text, err := os.ReadFile(path) //nolint:gosec // the path is the configuration's own
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", setting, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.InvalidArgument, "%s: %s has no certificate in PEM", setting, path)
	}
	return roots, nil
}
