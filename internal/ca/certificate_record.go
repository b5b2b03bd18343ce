package ca

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// The row of a Certificate in store.Certificates has the id "authority
// id/serial in hex" and the column "authority id/time of expiry": each
// authority's certificates are a range of both indexes. Its body is, since
// version 2, binary, because one is written for every certificate issued:
//
//	byte    version, 2
//	text    DER of the certificate
//	text    subject
//	number  of names, and each as a text
//	text    profile
//	text    id of the key, "" when Holdfast has it not
//	text    requester
//	text    shard
//	signed  time of issue, in nanoseconds since 1970
//	signed  notBefore, in seconds since 1970
//	signed  notAfter, likewise
//	byte    1 when it is revoked, else 0; and only then:
//	signed    time of the revocation, in seconds since 1970
//	number    reason
//
// A number is a uvarint of encoding/binary, signed a varint, a text a number
// of bytes and the bytes. Version 1, which is read and no longer written, was
// JSON and so began with "{".

// certificateVersion is the version of the bodies that are written.
const certificateVersion = 2

// CertificateID returns the id of a certificate's row.
func CertificateID(authority, serial string) string { return authority + "/" + serial }

// ExpiresColumn returns the value of the column expires for a certificate of
// the authority that ends at a time, a whole second. The values of one
// authority sort by time.
func ExpiresColumn(authority string, at time.Time) string {
	return authority + "/" + at.UTC().Format("20060102150405")
}

// Row returns the row in which the certificate is stored.
func (c *Certificate) Row() store.Row {
	body := make([]byte, 0, len(c.DER)+len(c.Subject)+256)
	text := func(s string) {
		body = append(binary.AppendUvarint(body, uint64(len(s))), s...)
	}
	body = append(binary.AppendUvarint(append(body, certificateVersion), uint64(len(c.DER))), c.DER...)
	text(c.Subject)
	body = binary.AppendUvarint(body, uint64(len(c.Names)))
	for _, n := range c.Names {
		text(n)
	}
	text(c.Profile)
	if c.Key != nil {
		text(string(*c.Key))
	} else {
		text("")
	}
	text(c.Requester)
	text(c.Shard)
	body = binary.AppendVarint(body, c.IssuedAt.UnixNano())
	body = binary.AppendVarint(body, c.NotBefore.Unix())
	body = binary.AppendVarint(body, c.NotAfter.Unix())
	if c.RevokedAt == nil {
		body = append(body, 0)
	} else {
		body = binary.AppendVarint(append(body, 1), c.RevokedAt.Unix())
		body = binary.AppendUvarint(body, uint64(c.Reason)) //nolint:gosec // reasons are 0 to 10
	}
	return store.Row{
		ID: CertificateID(c.Authority, c.Serial), Columns: []string{ExpiresColumn(c.Authority, c.NotAfter)}, Body: body,
	}
}

// ReadCertificate returns the certificate of a row.
func ReadCertificate(row store.Row) (*Certificate, error) {
	c := &Certificate{}
	var ok bool
	if c.Authority, c.Serial, ok = strings.Cut(row.ID, "/"); !ok || len(row.Body) == 0 {
		return nil, fmt.Errorf("record %s is no certificate", row.ID)
	}
	var err error
	switch version := row.Body[0]; version {
	case '{':
		err = c.readVersion1(row.Body)
	case certificateVersion:
		err = c.readBody(row.Body[1:])
	default:
		err = fmt.Errorf("version %d, but this program knows version %d", version, certificateVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", row.ID, err)
	}
	return c, nil
}

// readBody reads a body of the current version after its first byte.
func (c *Certificate) readBody(body []byte) error {
	d := decoder{rest: body}
	c.DER = d.bytes()
	c.Subject = d.text()
	if n := d.number(); n > 0 && n <= uint64(len(d.rest)) { // each name has a byte at least
		c.Names = make([]string, n)
		for i := range c.Names {
			c.Names[i] = d.text()
		}
	} else if n > 0 {
		d.broken = true
	}
	c.Profile = d.text()
	if id := key.ID(d.text()); id != "" {
		c.Key = &id
	}
	c.Requester, c.Shard = d.text(), d.text()
	c.IssuedAt = time.Unix(0, d.signed()).UTC()
	c.NotBefore, c.NotAfter = time.Unix(d.signed(), 0).UTC(), time.Unix(d.signed(), 0).UTC()
	switch d.byte() {
	case 0:
	case 1:
		at := time.Unix(d.signed(), 0).UTC()
		c.RevokedAt, c.Reason = &at, Reason(d.number()) //nolint:gosec // what is no reason has no name
	default:
		d.broken = true
	}
	if d.broken || len(d.rest) > 0 {
		return errors.New("the body is damaged")
	}
	return nil
}

// decoder reads the parts of a body. After the first that is cut short it is
// broken and gives zero values.
type decoder struct {
	rest   []byte
	broken bool
}

func (d *decoder) take(n int) []byte {
	if d.broken || n < 0 || n > len(d.rest) {
		d.broken, n = true, 0
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	if b := d.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.broken = true
		return 0
	}
	d.take(n)
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.broken = true
		return 0
	}
	d.take(n)
	return v
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.broken = true
		return nil
	}
	return d.take(int(n)) //nolint:gosec // it is at most the length of a slice
}

func (d *decoder) text() string { return string(d.bytes()) }

// certificateVersion1 is a body of version 1.
type certificateVersion1 struct {
	V         int        `json:"v"`
	DER       []byte     `json:"der"`
	Subject   string     `json:"subject"`
	Names     []string   `json:"names"`
	Profile   string     `json:"profile"`
	Key       key.ID     `json:"key"`
	Requester string     `json:"requester"`
	IssuedAt  time.Time  `json:"issued_at"`
	NotBefore time.Time  `json:"not_before"`
	NotAfter  time.Time  `json:"not_after"`
	RevokedAt *time.Time `json:"revoked_at"`
	Reason    Reason     `json:"reason"`
}

func (c *Certificate) readVersion1(body []byte) error {
	var r certificateVersion1
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	if r.V != 1 {
		return fmt.Errorf("version %d in JSON is not known", r.V)
	}
	c.DER, c.Subject, c.Names, c.Profile, c.Requester = r.DER, r.Subject, r.Names, r.Profile, r.Requester
	c.IssuedAt, c.NotBefore, c.NotAfter, c.RevokedAt, c.Reason = r.IssuedAt, r.NotBefore, r.NotAfter, r.RevokedAt, r.Reason
	if r.Key != "" {
		c.Key = &r.Key
	}
	return nil
}
