package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Check reads what a configuration names: certificates, keys, certificates to
// trust. It asks no server.
func Check(ctx context.Context, o Options) error {
	var wrong []error
	for i := range o.Config.Sites {
		s := &o.Config.Sites[i]
		if _, err := newUpstreams(s); err != nil {
			wrong = append(wrong, fmt.Errorf("sites[%d].upstream_ca: %w", i, err))
		}
		for j, t := range s.Certificates {
			if t.File == "" {
				continue
			}
			c, err := certificate.Load(ctx, t, o.Keys)
			if err == nil {
				err = covers(c, s.Names)
			}
			if err != nil {
				wrong = append(wrong, fmt.Errorf("sites[%d].certificates[%d]: %w", i, j, err))
			}
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return &fault.Error{Kind: fault.InvalidArgument, Op: "edge.Check", Public: err.Error()}
	}
	return nil
}

// covers checks that a certificate has the names of its site.
func covers(c *tls.Certificate, names []string) error {
	for _, name := range names {
		if err := c.Leaf.VerifyHostname(strings.Replace(name, "*.", "any-label.", 1)); err != nil {
			return fmt.Errorf("it is not for %s: %w", name, err)
		}
	}
	return nil
}
