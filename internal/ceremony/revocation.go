package ceremony

import (
	"context"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

func (a *Revoke) kind() string { return "revoke" }

func (a *Revoke) describe(*conduct) ([]Fact, error) {
	if _, err := ca.ParseReason(a.Reason); err != nil {
		return nil, err
	}
	return []Fact{{"revoke the certificate", a.Serial}, {"of", a.Authority}, {"reason", a.Reason}}, nil
}

func (a *Revoke) act(ctx context.Context, c *conduct) (*outcome, error) {
	reason, err := ca.ParseReason(a.Reason)
	if err != nil {
		return nil, err
	}
	revoked, err := c.installation.Authorities.Revoke(ctx, c.call("Revoke"), a.Authority, a.Serial, reason)
	if err != nil {
		return nil, err
	}
	return &outcome{facts: certificateFacts(revoked.DER)}, nil
}

func (a *CRL) kind() string { return "crl" }

func (a *CRL) describe(*conduct) ([]Fact, error) {
	return []Fact{{"make the CRL of", a.Authority}, {"good for", days(a.Days)}, {"write", a.File}}, nil
}

// act makes the complete CRL. The lists of earlier ceremonies were dropped
// when the data directory was opened, so that it is made anew.
func (a *CRL) act(ctx context.Context, c *conduct) (*outcome, error) {
	authority, err := c.installation.Authorities.Authority(ctx, c.call("CRL"), a.Authority)
	if err != nil {
		return nil, err
	}
	settings := authority.Revocation
	if settings.CRL.Enabled, settings.CRL.ValidityDays = true, a.Days; settings != authority.Revocation {
		if _, err := c.installation.Authorities.UpdateAuthority(ctx, c.call("CRL"), authority.ID, ca.Update{Revocation: &settings}); err != nil {
			return nil, err
		}
	}
	list, err := c.installation.Status.CRL(ctx, c.call("CRL"), authority.ID, "")
	if err != nil {
		return nil, err
	}
	der, err := list.DER()
	if err != nil {
		return nil, err
	}
	if good := list.NextUpdate.Sub(list.ThisUpdate); good != time.Duration(a.Days)*24*time.Hour {
		return nil, fault.New(fault.WrongState, "the authority's CRL was made already in this ceremony, and is good for %s", good)
	}
	content := der
	if strings.HasSuffix(a.File, ".pem") {
		content = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	}
	file, err := c.output(a.File, content)
	if err != nil {
		return nil, err
	}
	return &outcome{
		facts: []Fact{
			{"crl number", fmt.Sprint(list.Number)},
			{"revoked certificates", fmt.Sprint(list.Entries)},
			{"next update", list.NextUpdate.UTC().Format(time.RFC3339)},
		},
		files: []File{file},
	}, nil
}
