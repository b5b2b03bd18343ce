package client

import (
	"context"
	"io"
	"net/url"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// query returns the filter as parameters, with those of a page.
func (f *InventoryFilter) query(p Page) url.Values {
	return p.query(
		"authority", f.Authority, "origin", f.Origin, "place", f.Place, "serial", f.Serial, "key", f.Key, "subject", f.Subject, "text", f.Text,
		"name", f.Name, "profile", f.Profile, "requester", f.Requester, "state", f.State,
		"expires_after", moment(f.ExpiresAfter), "expires_before", moment(f.ExpiresBefore),
		"issued_after", moment(f.IssuedAfter), "issued_before", moment(f.IssuedBefore),
	)
}

// Inventory returns a page of the certificates that the filter wants.
func (c *Client) Inventory(ctx context.Context, f InventoryFilter, p Page) (*InventoryList, error) {
	return call[InventoryList](ctx, c, get, path("inventory"), f.query(p), nil)
}

// InventoryItem returns a certificate of the inventory with its problems.
func (c *Client) InventoryItem(ctx context.Context, id string) (*InventoryItem, error) {
	return call[InventoryItem](ctx, c, get, path("inventory", id), nil, nil)
}

// Problems returns a page of the certificates that the filter wants and that
// have problems, with these. A page may be short and not the last.
func (c *Client) Problems(ctx context.Context, f InventoryFilter, p Page) (*InventoryList, error) {
	return call[InventoryList](ctx, c, get, path("inventory-problems"), f.query(p), nil)
}

// ExportInventory writes all certificates that the filter wants, as "csv",
// "json", "jsonl" or "pem". What was written before an error is not whole. The
// client's timeout does not apply: ctx bounds it.
func (c *Client) ExportInventory(ctx context.Context, f InventoryFilter, format string, w io.Writer) error {
	q := f.query(Page{})
	q.Set("format", format)
	return c.download(ctx, path("inventory-export"), q, w)
}

// Register puts certificates from elsewhere into the inventory. source says
// what brings them, "" for a person.
func (c *Client) Register(ctx context.Context, source string, list []Sighting) (*Registration, error) {
	return call[Registration](ctx, c, post, path("inventory"), nil, native.RegisterRequest{Source: source, Sightings: list})
}

// Forget removes certificates from elsewhere from the inventory, by their
// SHA-256 in hex.
func (c *Client) Forget(ctx context.Context, fingerprints ...string) error {
	return c.do(ctx, del, path("inventory"), url.Values{"fingerprint": fingerprints}, nil)
}

// Forecast counts the certificates of an authority ("" for all) that end soon.
func (c *Client) Forecast(ctx context.Context, authority string) ([]ExpiringCount, error) {
	q := url.Values{}
	if authority != "" {
		q.Set("authority", authority)
	}
	f, err := call[native.Forecast](ctx, c, get, path("inventory-forecast"), q, nil)
	if err != nil {
		return nil, err
	}
	return f.Expiring, nil
}
