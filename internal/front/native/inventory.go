package native

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"io"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// inventoryQuery are the parameters that choose certificates of the inventory.
func inventoryQuery(more ...string) []string {
	return append(more, "authority", "origin", "serial", "key", "subject", "text", "name", "profile", "requester", "state",
		"expires_after", "expires_before", "issued_after", "issued_before")
}

// query reads these parameters.
func (r *request) query() (q inventory.Query, err error) {
	q = inventory.Query{
		Authority: r.param("authority"), Origin: inventory.Origin(r.param("origin")), Serial: r.param("serial"), Key: r.param("key"),
		Subject: r.param("subject"), Text: r.param("text"), Name: r.param("name"), Profile: r.param("profile"),
		Requester: r.param("requester"), State: inventory.State(r.param("state")),
	}
	for name, t := range map[string]*time.Time{
		"expires_after": &q.ExpiresAfter, "expires_before": &q.ExpiresBefore, "issued_after": &q.IssuedAfter, "issued_before": &q.IssuedBefore,
	} {
		if *t, err = r.moment(name); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (f *Front) searchInventory(ctx context.Context, r *request, _ *wire.None) (*wire.InventoryList, error) {
	q, err := r.query()
	if err != nil {
		return nil, err
	}
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	all, next, err := f.Inventory.Search(ctx, r.call, q, page)
	if err != nil {
		return nil, err
	}
	list := &wire.InventoryList{Items: make([]wire.InventoryItem, len(all)), Next: next}
	for i, e := range all {
		list.Items[i] = itemOut(e, nil)
	}
	return list, nil
}

func (f *Front) inventoryItem(ctx context.Context, r *request, _ *wire.None) (*wire.InventoryItem, error) {
	p, err := f.Inventory.Certificate(ctx, r.call, r.http.PathValue("item"))
	if err != nil {
		return nil, err
	}
	out := itemOut(p.Entry, p.Problems)
	return &out, nil
}

func (f *Front) inventoryProblems(ctx context.Context, r *request, _ *wire.None) (*wire.InventoryList, error) {
	q, err := r.query()
	if err != nil {
		return nil, err
	}
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	all, next, err := f.Inventory.Problems(ctx, r.call, q, page)
	if err != nil {
		return nil, err
	}
	list := &wire.InventoryList{Items: make([]wire.InventoryItem, len(all)), Next: next}
	for i, p := range all {
		list.Items[i] = itemOut(p.Entry, p.Problems)
	}
	return list, nil
}

func (f *Front) registerCertificates(ctx context.Context, r *request, req *wire.RegisterRequest) (*wire.Registration, error) {
	sightings := make([]inventory.Sighting, len(req.Sightings))
	for i, s := range req.Sightings {
		sightings[i] = inventory.Sighting{Data: s.Data, Address: s.Address, Name: s.Name}
	}
	done, err := f.Inventory.Register(ctx, r.call, req.Source, sightings)
	if err != nil {
		return nil, err
	}
	out := &wire.Registration{Items: make([]wire.InventoryItem, len(done.Entries)), Added: done.Added, Own: done.Own}
	for i, e := range done.Entries {
		out.Items[i] = itemOut(e, nil)
	}
	return out, nil
}

func (f *Front) forgetCertificates(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	fingerprints := r.http.URL.Query()["fingerprint"]
	if len(fingerprints) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing", "fingerprint")
	}
	return nil, f.Inventory.Forget(ctx, r.call, fingerprints)
}

func (f *Front) forecast(ctx context.Context, r *request, _ *wire.None) (*wire.Forecast, error) {
	all, err := f.Inventory.Forecast(ctx, r.call, r.param("authority"))
	if err != nil {
		return nil, err
	}
	out := &wire.Forecast{Expiring: make([]wire.ExpiringCount, len(all))}
	for i, e := range all {
		out.Expiring[i] = wire.ExpiringCount(e)
	}
	return out, nil
}

// exportEndpoint writes out all certificates that a query wants.
func exportEndpoint() endpoint {
	return streamed("text/csv", func(f *Front, ctx context.Context, r *request, w io.Writer, media func(string)) error {
		q, err := r.query()
		if err != nil {
			return err
		}
		format := inventory.Format(r.param("format"))
		if format == "" {
			format = inventory.CSV
		}
		media(format.ContentType())
		_, err = f.Inventory.Export(ctx, r.call, q, format, w)
		return err
	})
}

// itemOut puts an entry of the inventory into the API's shape.
func itemOut(e *inventory.Entry, problems []inventory.Problem) wire.InventoryItem {
	sum := sha256.Sum256(e.DER)
	out := wire.InventoryItem{
		ID: e.ID, Origin: string(inventory.Issued), Authority: e.Authority, Serial: e.Serial, Subject: e.Subject, Names: e.Names,
		Profile: e.Profile, Requester: e.Requester, NotBefore: e.NotBefore, NotAfter: e.NotAfter,
		State: string(e.StateAt(time.Now())), Fingerprint: hex.EncodeToString(sum[:]), Certificate: pemOf(e.DER),
	}
	if parsed, err := x509.ParseCertificate(e.DER); err == nil {
		out.Issuer = parsed.Issuer.String()
	}
	if e.Key != nil {
		out.KeyID = string(*e.Key)
	}
	if e.RevokedAt != nil {
		out.RevokedAt, out.RevocationReason = *e.RevokedAt, e.Reason.String()
	}
	if e.Foreign != nil {
		out.Origin, out.Source, out.Issuer = string(inventory.Elsewhere), e.Foreign.Source, e.Foreign.Issuer
		for _, p := range e.Foreign.Places {
			out.Places = append(out.Places, wire.Place{Address: p.Address, Name: p.Name, Seen: p.Seen})
		}
	}
	for _, p := range problems {
		out.Problems = append(out.Problems, wire.InventoryProblem{Kind: string(p.Kind), Place: p.Place, Text: p.Text})
	}
	return out
}
