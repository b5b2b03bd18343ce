package inventory

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"io"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// inventoryQuery are the parameters that choose certificates of the inventory.
func inventoryQuery(more ...string) []string {
	return append(more, "authority", "origin", "place", "serial", "key", "subject", "text", "name", "profile", "requester", "state",
		"expires_after", "expires_before", "issued_after", "issued_before")
}

// queryOf reads these parameters.
func queryOf(r *native.Request) (q inventory.Query, err error) {
	q = inventory.Query{
		Authority: r.Param("authority"), Origin: inventory.Origin(r.Param("origin")), Place: r.Param("place"), Serial: r.Param("serial"), Key: r.Param("key"),
		Subject: r.Param("subject"), Text: r.Param("text"), Name: r.Param("name"), Profile: r.Param("profile"),
		Requester: r.Param("requester"), State: inventory.State(r.Param("state")),
	}
	for name, t := range map[string]*time.Time{
		"expires_after": &q.ExpiresAfter, "expires_before": &q.ExpiresBefore, "issued_after": &q.IssuedAfter, "issued_before": &q.IssuedBefore,
	} {
		if *t, err = r.Moment(name); err != nil {
			return q, err
		}
	}
	return q, nil
}

// searchOf returns what a listing asks for, and which part of it.
func searchOf(r *native.Request) (inventory.Query, kms.Page, error) {
	q, err := queryOf(r)
	if err != nil {
		return q, kms.Page{}, err
	}
	page, err := r.Page()
	return q, page, err
}

func (f *front) searchInventory(ctx context.Context, r *native.Request, _ *wire.None) (*wire.InventoryList, error) {
	q, page, err := searchOf(r)
	if err != nil {
		return nil, err
	}
	all, next, err := f.inventory.Search(ctx, r.Call, q, page)
	if err != nil {
		return nil, err
	}
	list := &wire.InventoryList{Items: make([]wire.InventoryItem, len(all)), Next: next}
	for i, e := range all {
		list.Items[i] = itemOut(e, nil)
	}
	return list, nil
}

func (f *front) inventoryItem(ctx context.Context, r *native.Request, _ *wire.None) (*wire.InventoryItem, error) {
	p, err := f.inventory.Certificate(ctx, r.Call, r.Path("item"))
	if err != nil {
		return nil, err
	}
	out := itemOut(p.Entry, p.Problems)
	return &out, nil
}

func (f *front) inventoryProblems(ctx context.Context, r *native.Request, _ *wire.None) (*wire.InventoryList, error) {
	q, page, err := searchOf(r)
	if err != nil {
		return nil, err
	}
	all, next, err := f.inventory.Problems(ctx, r.Call, q, page)
	if err != nil {
		return nil, err
	}
	list := &wire.InventoryList{Items: make([]wire.InventoryItem, len(all)), Next: next}
	for i, p := range all {
		list.Items[i] = itemOut(p.Entry, p.Problems)
	}
	return list, nil
}

func (f *front) registerCertificates(ctx context.Context, r *native.Request, req *wire.RegisterRequest) (*wire.Registration, error) {
	sightings := make([]inventory.Sighting, len(req.Sightings))
	for i, s := range req.Sightings {
		sightings[i] = inventory.Sighting{Data: s.Data, Address: s.Address, Name: s.Name}
	}
	done, err := f.inventory.Register(ctx, r.Call, req.Source, sightings)
	if err != nil {
		return nil, err
	}
	out := &wire.Registration{Items: make([]wire.InventoryItem, len(done.Entries)), Added: done.Added, Own: done.Own}
	for i, e := range done.Entries {
		out.Items[i] = itemOut(e, nil)
	}
	return out, nil
}

func (f *front) forgetCertificates(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	fingerprints := r.HTTP.URL.Query()["fingerprint"]
	if len(fingerprints) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing", "fingerprint")
	}
	return nil, f.inventory.Forget(ctx, r.Call, fingerprints)
}

func (f *front) forecast(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Forecast, error) {
	all, err := f.inventory.Forecast(ctx, r.Call, r.Param("authority"))
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
func (f *front) exportEndpoint() native.Endpoint {
	return native.Streamed("text/csv", func(ctx context.Context, r *native.Request, w io.Writer, media func(string)) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		format := inventory.Format(r.Param("format"))
		if format == "" {
			format = inventory.CSV
		}
		media(format.ContentType())
		_, err = f.inventory.Export(ctx, r.Call, q, format, w)
		return err
	})
}

// itemOut puts an entry of the inventory into the API's shape.
func itemOut(e *inventory.Entry, problems []inventory.Problem) wire.InventoryItem {
	sum := sha256.Sum256(e.DER)
	out := wire.InventoryItem{
		ID: e.ID, Origin: string(inventory.Issued), Authority: e.Authority, Serial: e.Serial, Subject: e.Subject, Names: e.Names,
		Profile: e.Profile, Requester: e.Requester, NotBefore: e.NotBefore, NotAfter: e.NotAfter,
		State: string(e.StateAt(time.Now())), Fingerprint: hex.EncodeToString(sum[:]), Certificate: native.PEM(e.DER),
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
