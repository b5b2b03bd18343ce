package pca

import (
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// validity is a Validity: a span or a time, as a number.
type validity struct {
	value int64
	kind  string
}

// Members declares the structure.
func (v *validity) Members(m *aws.Members) {
	m.Long("Value", &v.value, 1).Required()
	m.Enum("Type", &v.kind, validityTypes).Required()
}

// Layouts of END_DATE: UTCTime and GeneralizedTime (RFC 5280 section 4.1.2.5),
// without the Z.
const (
	layoutUTCTime         = "060102150405"
	layoutGeneralizedTime = "20060102150405"
)

// at returns the time that an END_DATE or ABSOLUTE names.
func (v *validity) at() (time.Time, error) {
	if v.kind == "ABSOLUTE" {
		const lastYear = 253402300799 // 9999-12-31T23:59:59Z, the last that a certificate can name
		if v.value > lastYear {
			return time.Time{}, invalidArgs("The validity value is not a time in seconds since 1970.")
		}
		return time.Unix(v.value, 0).UTC(), nil
	}
	digits := strconv.FormatInt(v.value, 10)
	layout := layoutGeneralizedTime
	if len(digits) <= len(layoutUTCTime) { // the year of 2000 to 2009 begins with zeros, which a number has not
		layout = layoutUTCTime
		for len(digits) < len(layout) {
			digits = "0" + digits
		}
	}
	t, err := time.Parse(layout, digits)
	if err != nil {
		return time.Time{}, invalidArgs("The validity value is neither YYMMDDHHMMSS nor YYYYMMDDHHMMSS.")
	}
	if layout == layoutUTCTime && t.Year() >= 2050 { // Go takes 69 as the border, RFC 5280 and AWS 50
		t = t.AddDate(-100, 0, 0)
	}
	return t, nil
}
