package cert

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"

	"golang.org/x/crypto/cryptobyte"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Spool is where a list is written: an *os.File, or a Buffer for lists that
// are small.
type Spool interface {
	io.ReaderAt
	io.WriterAt
}

// Sizes in bytes, but for the sample's.
const (
	// headRoom is kept for what comes before the entries, whose lengths depend
	// on theirs.
	headRoom  = 16 << 10
	spoolPage = 64 << 10 // written at once
	// sampleSize is how many entries a Draft keeps for the lint.
	sampleSize = 1000
)

// Draft is a revocation list whose TBSCertList (RFC 5280 section 5.1) is in a
// Spool and whose signature is still to come. Package lint makes a token of
// it. A Draft is not for use by several goroutines.
type Draft struct {
	spool      Spool
	start, end int64 // what is written: the TBSCertList, or the whole list
	issuer     *engine.PublicKey
	algorithm  alg.Algorithm
	identifier []byte
	head, tail []byte // of the TBSCertList, before and after the entries
	sample     []byte // the first entries
	entries    int
	message    *engine.Message // once it is computed
	complete   bool
}

// WriteList writes the TBSCertList to the spool, to be signed by the issuer's
// key with the algorithm. The entries are read once, in their order, and not
// held. The lengths that DER has before them are written afterwards, into
// room that was left: what Reader reads begins somewhere in the first 16 KiB
// of the spool.
func WriteList(spool Spool, l *List, issuer *x509.Certificate, issuerKey *engine.PublicKey, a alg.Algorithm, entries iter.Seq2[Entry, error]) (*Draft, error) {
	if issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return nil, fault.New(fault.InvalidArgument, "the issuer's key usage does not include signing revocation lists")
	}
	d := &Draft{spool: spool, issuer: issuerKey, algorithm: a}
	var err error
	if d.identifier, err = Identifier(issuerKey.Spec(), a); err != nil {
		return nil, err
	}
	if d.head, err = l.head(d.identifier, issuer.RawSubject); err != nil {
		return nil, err
	}
	if d.tail, err = l.tail(issuer); err != nil {
		return nil, err
	}
	length, err := d.writeEntries(entries, l.Base != nil)
	if err != nil {
		return nil, err
	}
	front := d.front(length)
	if len(front) > headRoom/2 {
		return nil, fault.New(fault.LimitExceeded, "the issuer's name is too long for a revocation list")
	}
	d.start, d.end = headRoom-int64(len(front)), headRoom+length+int64(len(d.tail))
	_, err = spool.WriteAt(front, d.start)
	return d, spoolError(err)
}

func spoolError(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Unavailable, Op: "cert.Draft", Public: "the revocation list cannot be written", Err: err}
}

// writeEntries writes the entries and the tail and returns the entries' length.
func (d *Draft) writeEntries(entries iter.Seq2[Entry, error], delta bool) (int64, error) {
	out := bufio.NewWriterSize(io.NewOffsetWriter(d.spool, headRoom), spoolPage)
	var length int64
	var der []byte
	for e, err := range entries {
		if err != nil {
			return 0, err
		}
		if der, err = e.append(der[:0], delta); err != nil {
			return 0, err
		}
		if d.entries < sampleSize {
			d.sample = append(d.sample, der...)
		}
		if _, err := out.Write(der); err != nil {
			return 0, spoolError(err)
		}
		length += int64(len(der))
		d.entries++
	}
	if _, err := out.Write(d.tail); err != nil {
		return 0, spoolError(err)
	}
	return length, spoolError(out.Flush())
}

// front returns what comes before entries of a length: the SEQUENCE of the
// TBSCertList, its head and the SEQUENCE of the entries, which is absent when
// there are none (RFC 5280 section 5.1.2.6).
func (d *Draft) front(entries int64) []byte {
	var list []byte
	if entries > 0 {
		list = appendHeader(nil, entries)
	}
	out := appendHeader(nil, int64(len(d.head)+len(list)+len(d.tail))+entries)
	return append(append(out, d.head...), list...)
}

// appendHeader appends the tag and length of a SEQUENCE in DER.
func appendHeader(dst []byte, length int64) []byte {
	dst = append(dst, 0x30)
	if length < 0x80 {
		return append(dst, byte(length)) //nolint:gosec // below 0x80
	}
	n := 1
	for length>>(8*n) != 0 {
		n++
	}
	dst = append(dst, 0x80|byte(n))
	for n--; n >= 0; n-- {
		dst = append(dst, byte(length>>(8*n))) //nolint:gosec // one byte of it
	}
	return dst
}

// Sample returns a TBSCertList with the first thousand entries, for the lint.
func (d *Draft) Sample() []byte {
	return append(append(d.front(int64(len(d.sample))), d.sample...), d.tail...)
}

// Entries returns how many entries the list has.
func (d *Draft) Entries() int { return d.entries }

// Issuer returns the key that is to sign, and how.
func (d *Draft) Issuer() (*engine.PublicKey, alg.Algorithm) { return d.issuer, d.algorithm }

// Message reads the TBSCertList back and returns what the issuer's key signs
// of it: a digest, ML-DSA's external mu, or, for Ed25519 alone, all of it in
// memory.
func (d *Draft) Message() (engine.Message, error) {
	if d.message != nil {
		return *d.message, nil
	}
	digester, err := d.issuer.NewDigester(d.algorithm)
	if err != nil {
		return engine.Message{}, err
	}
	if _, err := io.Copy(digester, d.Reader()); err != nil {
		return engine.Message{}, spoolError(err)
	}
	m := digester.Message()
	d.message = &m
	return m, nil
}

// Complete checks the signature and writes it after the TBSCertList, and the
// outer SEQUENCE before it. Then Reader reads the CertificateList.
func (d *Draft) Complete(signature []byte) error {
	m, err := d.Message()
	if err != nil {
		return err
	}
	if d.complete {
		return errors.New("the revocation list is complete already")
	}
	if err := d.issuer.Verify(d.algorithm, m, signature); err != nil {
		return err
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddBytes(d.identifier)
	b.AddASN1BitString(signature)
	after, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("encoding a signature: %w", err)
	}
	before := appendHeader(nil, d.end-d.start+int64(len(after)))
	if _, err := d.spool.WriteAt(after, d.end); err != nil {
		return spoolError(err)
	}
	if _, err := d.spool.WriteAt(before, d.start-int64(len(before))); err != nil {
		return spoolError(err)
	}
	d.start, d.end, d.complete, d.message = d.start-int64(len(before)), d.end+int64(len(after)), true, nil
	return nil
}

// Reader reads the list in DER once it is complete, before that its
// TBSCertList.
func (d *Draft) Reader() *io.SectionReader {
	return io.NewSectionReader(d.spool, d.start, d.end-d.start)
}

// Extent returns where in the spool the list begins and how long it is, in
// bytes.
func (d *Draft) Extent() (offset, size int64) { return d.start, d.end - d.start }

// Buffer is a Spool in memory. The zero Buffer is empty.
type Buffer struct{ b []byte }

// WriteAt writes at an offset, which may be beyond the end.
func (m *Buffer) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if grow := off + int64(len(p)) - int64(len(m.b)); grow > 0 {
		m.b = append(m.b, make([]byte, grow)...)
	}
	return copy(m.b[off:], p), nil
}

// ReadAt reads at an offset.
func (m *Buffer) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }
