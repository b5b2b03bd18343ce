package pki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// How long caches may keep answers.
const (
	// maxCRLAge bounds the age of a CRL in a cache, so that a revocation is
	// seen within the hour however far its nextUpdate is.
	maxCRLAge = time.Hour
	// certificateAge is for certificates of authorities, which change when they
	// are renewed.
	certificateAge = 24 * time.Hour
)

// document is what an address stands for.
type document struct {
	content     io.ReadSeekCloser
	contentType string
	tag         string
	age         time.Duration
	modified    time.Time
}

// list returns what gets a list of an authority: of a shard, or of all for "".
func list(shard string, delta bool) func(*handler, context.Context, string) (*document, error) {
	return func(h *handler, ctx context.Context, id string) (*document, error) {
		l, err := h.Status.PublicCRL(ctx, id, shard, delta)
		if err != nil {
			return nil, err
		}
		content, err := l.Open()
		if err != nil {
			return nil, err
		}
		return &document{
			content: content, contentType: "application/pkix-crl", tag: fmt.Sprintf("crl-%d", l.Number),
			age: max(0, min(maxCRLAge, l.NextUpdate.Sub(h.Now()))), modified: l.ThisUpdate,
		}, nil
	}
}

// inMemory is content that has nothing to close.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// certificates returns the document with certificates of an authority.
func certificates(content []byte, contentType string) *document {
	sum := sha256.Sum256(content)
	return &document{
		content: inMemory{bytes.NewReader(content)}, contentType: contentType, tag: hex.EncodeToString(sum[:16]), age: certificateAge,
	}
}

// certificate returns an authority's own certificate (RFC 2585 section 4.1).
func (h *handler) certificate(ctx context.Context, id string) (*document, error) {
	der, err := h.Status.PublicCertificate(ctx, id)
	if err != nil {
		return nil, err
	}
	return certificates(der, "application/pkix-cert"), nil
}

// chain returns an authority's certificate and those above (RFC 8555 section
// 9.1 has the media type).
func (h *handler) chain(ctx context.Context, id string) (*document, error) {
	chain, err := h.Status.PublicChain(ctx, id)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, der := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a Buffer takes everything
	}
	return certificates(b.Bytes(), "application/pem-certificate-chain"), nil
}

// issuers returns all certificates of an authority's key and name as one
// message (RFC 5280 section 4.2.2.1).
func (h *handler) issuers(ctx context.Context, id string) (*document, error) {
	list, err := h.Status.PublicIssuers(ctx, id)
	if err != nil {
		return nil, err
	}
	return certificates(certsOnly(list), "application/pkcs7-mime; smime-type=certs-only"), nil
}

// certsOnly returns a CMS message with certificates and nothing else (RFC 5751
// section 3.6): a SignedData that nobody signed.
func certsOnly(list [][]byte) []byte {
	list = slices.Clone(list)
	slices.SortFunc(list, bytes.Compare) // a SET OF in DER
	zero := cbasn1.Tag(0).ContextSpecific().Constructed()
	set := func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {}) }
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier([]int{1, 2, 840, 113549, 1, 7, 2}) // id-signedData
		b.AddASN1(zero, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				set(b)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier([]int{1, 2, 840, 113549, 1, 7, 1}) // id-data
				})
				b.AddASN1(zero, func(b *cryptobyte.Builder) {
					for _, der := range list {
						b.AddBytes(der)
					}
				})
				set(b)
			})
		})
	})
	return b.BytesOrPanic() // nothing in it can fail
}

// serve writes the document; ServeContent sees to HEAD, to conditions (RFC
// 9110 section 13) and to ranges.
func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	defer d.content.Close() //nolint:errcheck // it is read only
	head := w.Header()
	head.Set("Content-Type", d.contentType)
	head.Set("ETag", `"`+d.tag+`"`)
	head.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(d.age.Seconds()))+", must-revalidate")
	head.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", d.modified, d.content)
}
