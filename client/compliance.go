package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// ComplianceSettings are the numbers that organisations choose for themselves;
// 0 and empty leave the server's own.
type ComplianceSettings struct {
	// KeyAge is the age beyond which a key is old, Unused for how long one may do
	// nothing, ServerLife how long a TLS server's certificate may last; Expiring
	// and AuthorityExpiring how long before their ends certificates and those of
	// authorities are to be replaced; Retention for how long the audit log has to
	// be kept. All are in days.
	KeyAge, Unused, ServerLife, Expiring, AuthorityExpiring, Retention int
	// HSMTag is the tag of keys that have to be in an HSM, as NAME=VALUE, and
	// HSMUsages usages of which all have to, such as "SIGN_VERIFY".
	HSMTag    string
	HSMUsages []string
}

func (s *ComplianceSettings) query() url.Values {
	q := url.Values{}
	for name, n := range map[string]int{
		"key_age": s.KeyAge, "unused": s.Unused, "server_life": s.ServerLife, "expiring": s.Expiring,
		"authority_expiring": s.AuthorityExpiring, "retention": s.Retention,
	} {
		if n > 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	if s.HSMTag != "" {
		q.Set("hsm_tag", s.HSMTag)
	}
	if len(s.HSMUsages) > 0 {
		q.Set("hsm_usage", strings.Join(s.HSMUsages, ","))
	}
	return q
}

// CheckCompliance has the server look for what is wrong with how it keeps the
// keys and certificates of the caller's realm. The client's timeout does not
// apply: ctx bounds it.
func (c *Client) CheckCompliance(ctx context.Context, s ComplianceSettings) (*ComplianceReport, error) {
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := c.download(ctx, path("compliance"), s.query(), out)
		_ = out.CloseWithError(err) // never fails
		done <- err
	}()
	r, err := readCompliance(in)
	_ = in.Close() // ends what still comes
	if failed := <-done; failed != nil && err != nil && !errors.Is(failed, io.ErrClosedPipe) {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// readCompliance gathers the lines of a report.
func readCompliance(in io.Reader) (*ComplianceReport, error) {
	r := &ComplianceReport{Findings: []native.ComplianceFinding{}, Gaps: []native.ComplianceGap{}, Results: []native.ComplianceResult{}}
	for d := json.NewDecoder(in); ; {
		var line native.ComplianceLine
		if err := d.Decode(&line); err != nil {
			return nil, fmt.Errorf("reading the server's answer: %w", err)
		}
		if r.Add(&line) {
			return r, nil
		}
	}
}
