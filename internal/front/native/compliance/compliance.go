// Package compliance serves over the native API what is wrong with how keys
// and certificates are kept.
package compliance

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/compliance/survey"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// maxDays is the largest number of days that a setting takes.
const maxDays = 36500

// Operations returns the operations on compliance.
func Operations(s *survey.Service) []native.Operation {
	check := native.Streamed("application/x-ndjson", func(ctx context.Context, r *native.Request, w io.Writer, _ func(string)) error {
		settings, err := settingsOf(r)
		if err != nil {
			return err
		}
		report, err := s.Check(ctx, r.Call, settings)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(w)
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		if err := wire.WriteCompliance(report, func(line *wire.ComplianceLine) error { return lines.Encode(line) }); err != nil {
			return err
		}
		return out.Flush()
	})
	return []native.Operation{
		native.Get("/compliance", "CheckCompliance", key.CheckCompliance, check).Takes(
			"key_age", "unused", "server_life", "expiring", "authority_expiring", "retention", "hsm_tag", "hsm_usage"),
	}
}

// settingsOf reads the numbers that the caller chooses.
func settingsOf(r *native.Request) (compliance.Settings, error) {
	s := compliance.Defaults()
	for name, n := range map[string]*int{
		"key_age": &s.KeyAge, "unused": &s.Unused, "server_life": &s.ServerLife, "expiring": &s.Expiring,
		"authority_expiring": &s.AuthorityExpiring, "retention": &s.Retention,
	} {
		var err error
		if *n, err = r.Number(name, *n, maxDays); err != nil {
			return s, err
		}
	}
	if text := r.Param("hsm_tag"); text != "" {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return s, fault.New(fault.InvalidArgument, "the parameter %q must be NAME=VALUE", "hsm_tag")
		}
		s.HSMTag = key.Tag{Key: name, Value: value}
	}
	if text := r.Param("hsm_usage"); text != "" {
		for word := range strings.SplitSeq(text, ",") {
			u, ok := aws.ParseUsage(word)
			if !ok || u == alg.NoUsage {
				return s, fault.New(fault.InvalidArgument, "the parameter %q has %q, which is no usage such as SIGN_VERIFY", "hsm_usage", word)
			}
			s.HSMUsages = append(s.HSMUsages, u)
		}
	}
	return s, nil
}
