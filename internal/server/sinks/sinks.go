// Package sinks is the server's side of the sinks of the audit log: it makes
// receivers of what a configuration says, and tells callers who may how they
// are.
//
// Start with Open. The package is internal and may change with any release.
package sinks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/sink"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Parts are what sinks are made with. All are needed.
type Parts struct {
	Log sink.Log
	// ID is the log's id, Version the product's.
	ID, Version string
	Store       store.Store
	Out         *slog.Logger
	// Roots reads whom certificates may be from, Bucket opens buckets.
	Roots  func(setting, path string) (*x509.CertPool, error)
	Bucket func(*config.Buckets) (sink.Bucket, error)
}

// Sizes and times of sinks unless the configuration says so.
const (
	syslogEntries  = 1000
	syslogBytes    = 1 << 20
	syslogInterval = 5 * time.Second
	bucketEntries  = 5000
	bucketBytes    = 8 << 20
	bucketInterval = 5 * time.Minute
	bucketBehind   = time.Hour
)

// Open opens the sinks that a configuration has. They are connected to when
// they are started.
func Open(ctx context.Context, c *config.Config, p Parts) (*sink.Sinks, error) {
	var list []sink.Options
	for i := range c.Audit.Sinks {
		s := &c.Audit.Sinks[i]
		o, err := p.open(ctx, c, s)
		if err != nil {
			for _, made := range list {
				_ = made.Receiver.Close() // err is the one to tell
			}
			return nil, fmt.Errorf("opening the sink %s of the audit log: %w", s.Name, err)
		}
		list = append(list, o)
	}
	return sink.Open(ctx, sink.Config{Log: p.Log, ID: p.ID, Store: p.Store, Out: p.Out, Sinks: list})
}

func (p *Parts) open(ctx context.Context, c *config.Config, s *config.Sink) (o sink.Options, err error) {
	o = sink.Options{Name: s.Name, FromNow: s.Start == "now", Entries: s.Batch, Interval: s.Interval, Behind: s.Behind}
	format, _ := auditformat.ParseFormat(s.Format) // "" is jsonl, as is syslog, which is asked for below
	switch s.Kind() {
	case config.SinkSyslog:
		o.Bytes, o.Entries, o.Interval = syslogBytes, either(o.Entries, syslogEntries), either(o.Interval, syslogInterval)
		o.Receiver, err = p.syslog(ctx, s, format)
	case config.SinkHTTP:
		o.Receiver, err = p.http(s.HTTP, format)
	case config.SinkBucket:
		o.Bytes, o.Entries, o.Interval = bucketBytes, either(o.Entries, bucketEntries), either(o.Interval, bucketInterval)
		o.Behind = either(o.Behind, max(bucketBehind, 2*o.Interval))
		o.Receiver, err = p.bucket(c, s.Bucket, format)
	default:
		err = fault.New(fault.InvalidArgument, "it is of no kind that is known")
	}
	return o, err
}

// either returns what is set, or else the default.
func either[T comparable](set, otherwise T) T {
	var none T
	if set != none {
		return set
	}
	return otherwise
}

func (p *Parts) encoder() *auditformat.Encoder { return auditformat.New(p.ID, p.Version) }

func (p *Parts) syslog(ctx context.Context, s *config.Sink, format auditformat.Format) (sink.Receiver, error) {
	c := s.Syslog
	address, err := c.Target()
	if err != nil {
		return nil, err
	}
	o := sink.SyslogOptions{Address: address, Encoder: p.encoder(), Source: auditformat.SyslogSource{
		Host: c.Host, App: "holdfast", Process: strconv.Itoa(os.Getpid()),
	}}
	if s.Format != "" && s.Format != "syslog" {
		o.Message = &format
	}
	if o.Source.Host == "" {
		o.Source.Host, _ = os.Hostname() // none is a hyphen in messages
	}
	if c.Security == "none" {
		p.Out.WarnContext(ctx, "the audit log goes to a syslog server by plain TCP, as the configuration says: whoever is on the way READS AND CHANGES it unseen",
			slog.String("sink", s.Name), slog.String("server", address))
		return sink.NewSyslog(o), nil
	}
	o.TLS = func() (*tls.Config, error) { return p.secure(c) }
	if _, err := o.TLS(); err != nil { // a mistake shows at the start
		return nil, err
	}
	return sink.NewSyslog(o), nil
}

// secure reads the settings of a connection to a syslog server.
func (p *Parts) secure(c *config.SyslogSink) (*tls.Config, error) {
	roots, err := p.Roots("ca_certificate", c.CACertificate)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{RootCAs: roots, ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.Certificate != "" {
		own, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		settings.Certificates = []tls.Certificate{own}
	}
	return settings, nil
}

// anywhere are all addresses: where a sink is, the operator decides.
func anywhere() courier.Egress {
	return courier.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
}

func (p *Parts) http(c *config.HTTPSink, format auditformat.Format) (sink.Receiver, error) {
	roots, err := p.Roots("ca_certificate", c.CACertificate)
	if err != nil {
		return nil, err
	}
	o := sink.HTTPOptions{
		Host: c.Host(), Format: format, Encoder: p.encoder(), Log: p.ID, Plain: c.Gzip != nil && !*c.Gzip,
		Poster: courier.NewHTTP(courier.HTTPOptions{Egress: anywhere(), Roots: roots, Timeout: c.Timeout, UserAgent: "Holdfast/" + p.Version}),
		URL:    func() (string, error) { return c.URL, nil },
		Signer: func() (*courier.Signer, error) {
			text, err := secret(c.SecretFile)
			if err != nil {
				return nil, err
			}
			return courier.ParseSigner(text)
		},
	}
	if c.URL == "" {
		o.URL = func() (string, error) {
			address, err := secret(c.URLFile)
			if err == nil {
				err = config.CheckReceiver(address)
			}
			return address, err
		}
	}
	if c.AuthorizationFile != "" {
		o.Authorization = func() (string, error) { return secret(c.AuthorizationFile) }
		if _, err := o.Authorization(); err != nil {
			return nil, err
		}
	}
	if _, err := o.URL(); err != nil {
		return nil, err
	}
	if _, err := o.Signer(); err != nil {
		return nil, fault.New(fault.InvalidArgument, "secret_file: %v", err)
	}
	return sink.NewHTTP(o), nil
}

// maxSecret is the longest file of a secret, in bytes.
const maxSecret = 64 << 10

// secret reads a file with a secret, of which no error says anything.
func secret(path string) (string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the configuration's own
	if err == nil && len(text) > maxSecret {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxSecret)
	}
	return strings.TrimSpace(string(text)), err
}

func (p *Parts) bucket(c *config.Config, b *config.BucketSink, format auditformat.Format) (sink.Receiver, error) {
	of := b.Buckets(c)
	to, err := p.Bucket(&of)
	if err != nil {
		return nil, err
	}
	target := of.Dir
	if of.S3.Endpoint != "" {
		target = of.S3.Endpoint
	}
	return sink.NewFiles(sink.FilesOptions{
		To: to, Target: strings.TrimSuffix(target, "/") + "/" + b.Name, Name: b.Name, Prefix: b.Prefix, Format: format,
		Encoder: p.encoder(), Log: p.ID,
	}), nil
}
