package aws

import (
	"math"
	"strconv"
	"time"
)

// maxTime bounds the seconds of a time: the end of the year 9999.
const maxTime = 253402300799

// Time reads a time as AWS JSON has it: seconds since 1970, which may have a
// fraction and an exponent. It is rounded to milliseconds.
func (d *Decoder) Time() time.Time {
	const what = "a Timestamp"
	if !d.want(JSONNumber, what) {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(string(d.number()), 64)
	if err != nil || seconds < -maxTime || seconds > maxTime {
		d.Fail("NUMBER_VALUE can not be converted to " + what)
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}
