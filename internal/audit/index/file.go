package index

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// The format on disk, version 1.
//
// A directory has one file for each sealed segment, NUMBER.idx, that is
// written beside its place, synced and renamed into it. A file is the 8 bytes
// "HFINDEX1", the length of the table of contents and its CRC-32C (4 bytes
// each, little-endian), the table of contents (JSON, see contents) and
// sections, each with its CRC-32C in the table:
//
//   - "places": the offset in the segment of each record, 4 bytes;
//   - "blocks": of every 128 records the first and last position and the
//     earliest and latest time (Unix seconds), 8 bytes each;
//   - one for each field: see part.section.
//
// Nothing in it is needed to read or verify the log: what is missing, damaged
// or of another form is made anew.
const (
	magic         = "HFINDEX1"
	headSize      = len(magic) + 8
	suffix        = ".idx"
	partialSuffix = ".part"
	sectionPlaces = "places"
	sectionBlocks = "blocks"
	blockBytes    = 32
	// maxContents bounds the table of contents in bytes.
	maxContents = 1 << 20
)

// contents is the table of contents.
type contents struct {
	Version int `json:"v"`
	// Segment is the segment's number, Hash and Place are of its last record.
	Segment uint64     `json:"segment"`
	Hash    audit.Hash `json:"hash"`
	Place   int64      `json:"place"`
	// Facets names what the facets were made by.
	Facets string `json:"facets"`
	Count  int    `json:"count"`
	// Sections are by their names.
	Sections map[string]section `json:"sections"`
}

type section struct {
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	Sum    uint32 `json:"crc32c"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendNumber(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) } //nolint:gosec // a length

func fileName(number uint64) string { return fmt.Sprintf("%010d%s", number, suffix) }

// encode returns the file of a part.
func (p *part) encode(facets string) ([]byte, error) {
	toc := contents{
		Version: 1, Segment: p.number, Hash: p.hash, Facets: facets, Count: p.count(), Sections: map[string]section{},
	}
	if n := len(p.offsets); n > 0 {
		toc.Place = int64(p.offsets[n-1])
	}
	var body []byte
	add := func(name string, b []byte) {
		toc.Sections[name] = section{int64(len(body)), int64(len(b)), crc32.Checksum(b, castagnoli)}
		body = append(body, b...)
	}
	var places, blocks []byte
	for _, o := range p.offsets {
		places = binary.LittleEndian.AppendUint32(places, o)
	}
	for _, b := range p.blocks {
		for _, n := range []uint64{uint64(b.first), uint64(b.last), uint64(b.oldest), uint64(b.newst)} { //nolint:gosec // bits
			blocks = binary.LittleEndian.AppendUint64(blocks, n)
		}
	}
	add(sectionPlaces, places)
	add(sectionBlocks, blocks)
	for _, field := range slices.Sorted(maps.Keys(p.fields)) {
		add(field, p.section(field))
	}
	head, err := json.Marshal(&toc)
	if err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(head))) //nolint:gosec // some hundred bytes
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(head, castagnoli))
	return append(append(b, head...), body...), nil
}

// write puts a part's file in its place.
func (p *part) write(dir, facets string) error {
	b, err := p.encode(facets)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, fileName(p.number))
	f, err := os.OpenFile(path+partialSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the data directory's own
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+partialSuffix))
	}
	return os.Rename(path+partialSuffix, path)
}

// stored is a part in its file. It is open only while something is read.
type stored struct {
	path  string
	toc   contents
	begin int64 // of the sections
	ends  block // of all records
}

// openStored reads a file's table of contents and what bounds its records.
func openStored(path string) (*stored, error) {
	s := &stored{path: path}
	f, err := os.Open(path) //nolint:gosec // the data directory's own
	if err != nil {
		return nil, err
	}
	err = s.readContents(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	blocks, err := s.bounds()
	if err != nil {
		return nil, err
	}
	for i, b := range blocks {
		if i == 0 {
			s.ends = b
		}
		s.ends = block{s.ends.first, b.last, min(s.ends.oldest, b.oldest), max(s.ends.newst, b.newst)}
	}
	return s, nil
}

func (s *stored) readContents(f io.ReaderAt) error {
	head := make([]byte, headSize)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:len(magic)]) != magic {
		return errDamaged
	}
	size := binary.LittleEndian.Uint32(head[len(magic):])
	if size > maxContents {
		return errDamaged
	}
	text := make([]byte, size)
	if _, err := f.ReadAt(text, int64(headSize)); err != nil || crc32.Checksum(text, castagnoli) != binary.LittleEndian.Uint32(head[len(magic)+4:]) {
		return errDamaged
	}
	if err := json.Unmarshal(text, &s.toc); err != nil || s.toc.Version != 1 || s.toc.Count < 0 {
		return errDamaged
	}
	s.begin = int64(headSize) + int64(size)
	return nil
}

func (s *stored) section(name string) ([]byte, error) {
	at, ok := s.toc.Sections[name]
	if !ok {
		return nil, nil // a field that no record has
	}
	if at.Offset < 0 || at.Size < 0 || at.Size > audit.MaxSegmentSize {
		return nil, errDamaged
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	b := make([]byte, at.Size)
	_, err = f.ReadAt(b, s.begin+at.Offset)
	if err = errors.Join(err, f.Close()); err != nil || crc32.Checksum(b, castagnoli) != at.Sum {
		return nil, errDamaged
	}
	return b, nil
}

func (s *stored) count() int { return s.toc.Count }

func (s *stored) bounds() ([]block, error) {
	b, err := s.section(sectionBlocks)
	if err != nil {
		return nil, err
	}
	if len(b) != (s.toc.Count+blockSize-1)/blockSize*blockBytes {
		return nil, errDamaged
	}
	list := make([]block, 0, len(b)/blockBytes)
	for ; len(b) > 0; b = b[blockBytes:] {
		n := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
		list = append(list, block{audit.Position(n(0)), audit.Position(n(1)), int64(n(2)), int64(n(3))}) //nolint:gosec // bits
	}
	return list, nil
}

func (s *stored) places() ([]uint32, error) {
	b, err := s.section(sectionPlaces)
	if err != nil {
		return nil, err
	}
	if len(b) != 4*s.toc.Count {
		return nil, errDamaged
	}
	list := make([]uint32, s.toc.Count)
	for i := range list {
		list[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return list, nil
}

func (s *stored) match(field, pattern string, into set) error {
	b, err := s.section(field)
	if err != nil {
		return err
	}
	exact := !strings.Contains(pattern, "*") || field == fieldRequest
	r := reader{rest: b}
	for n := r.number(); n > 0 && !r.bad; n-- {
		value := r.text()
		target := into
		if exact && string(value) != pattern || !exact && !audit.Glob(pattern, string(value)) {
			target = nil
		}
		r.runs(target, s.toc.Count)
	}
	if r.bad && len(b) > 0 {
		return errDamaged
	}
	return nil
}
