package auditformat

import (
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Format is one of the forms in which entries are written.
type Format uint8

// The formats.
const (
	// JSONL is the log's own form: a line of JSON for each entry.
	JSONL Format = iota
	// CloudTrail is AWS CloudTrail's record.
	CloudTrail
	// OCSF is an event of the Open Cybersecurity Schema Framework.
	OCSF
	// CEF is ArcSight's Common Event Format.
	CEF
)

var formatNames = [...]string{JSONL: "jsonl", CloudTrail: "cloudtrail", OCSF: "ocsf", CEF: "cef"}

// String returns the format's name.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "format " + strconv.Itoa(int(f))
}

// ParseFormat returns the format of a name that String gives.
func ParseFormat(name string) (Format, bool) {
	for i, n := range formatNames {
		if n == name {
			return Format(i), true
		}
	}
	return 0, false
}

// Formats returns the names of all formats.
func Formats() []string { return formatNames[:] }

// Encoder writes entries of one log. It belongs to one goroutine.
type Encoder struct {
	// log is the log's id, version the product's.
	log, version string
	room         []byte
}

// New returns an encoder for a log. Version is the product's, "" for none.
func New(log, version string) *Encoder { return &Encoder{log: log, version: version} }

// Append appends an entry in a format, without an end of line.
func (x *Encoder) Append(f Format, dst []byte, r *audit.Record) []byte {
	switch f {
	case CloudTrail:
		return x.CloudTrail(dst, r)
	case OCSF:
		return x.OCSF(dst, r)
	case CEF:
		return x.CEF(dst, r)
	case JSONL:
	}
	return append(dst, r.JSON...)
}

// object appends a JSON object.
func (x *Encoder) object(dst []byte, fill func(*aws.Encoder)) []byte {
	var out aws.Encoder
	out.Reset(x.room)
	fill(&out)
	x.room = out.Bytes()
	return append(dst, x.room...)
}

// summary is an entry as a sentence: who did what to what, and how it ended.
func summary(r *audit.Record, v *Event) string {
	e := &r.Entry
	var b strings.Builder
	who := e.Principal
	if who == "" {
		who = "somebody"
	}
	b.WriteString(who + ": " + v.Name)
	if e.Resource != "" {
		b.WriteString(" of " + e.Resource)
	}
	b.WriteString(": " + e.Result)
	if e.Error != "" {
		b.WriteString(" (" + e.Error + ")")
	}
	return b.String()
}
