package metric

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Bin is what is kept of one stretch of time: of calls how many there were and
// how they ended, of readings their extremes and sum.
type Bin struct {
	Samples                   uint64
	Errors, Denied, Throttled uint64
	Sum, Min, Max             float64
}

// Add adds the figures of another bin.
func (b *Bin) Add(o *Bin) {
	if b.Samples == 0 {
		*b = *o
		return
	}
	b.Samples += o.Samples
	b.Errors += o.Errors
	b.Denied += o.Denied
	b.Throttled += o.Throttled
	b.Sum += o.Sum
	b.Min, b.Max = min(b.Min, o.Min), max(b.Max, o.Max)
}

// point returns the figures of a metric.
func (b *Bin) point(n Name, at time.Time) Point {
	p := Point{Time: at, Samples: float64(b.Samples)}
	ones := b.Samples
	switch n {
	case Requests:
	case Errors, NotIssued:
		ones = b.Errors
	case Denied:
		ones = b.Denied
	case Throttled:
		ones = b.Throttled
	case Issued:
		ones = b.Samples - min(b.Errors, b.Samples)
	case Seconds, Days:
		p.Sum, p.Min, p.Max = b.Sum, b.Min, b.Max
		return p
	}
	p.Sum = float64(ones)
	if ones > 0 {
		p.Max = 1
	}
	if ones == b.Samples {
		p.Min = 1
	}
	return p
}

// tier is one of the finenesses in which figures are kept.
type tier struct {
	name string        // in the ids of rows, in this order
	bin  time.Duration // of a bin
	bins int           // in a block, which is a row
	keep time.Duration
}

const day = 24 * time.Hour

// tiers are all of them, the finest first.
var tiers = [...]tier{
	{"0", slot, 360, 3 * time.Hour},
	{"1", time.Minute, 60, 15 * day},
	{"2", 5 * time.Minute, 288, 63 * day},
	{"3", time.Hour, 240, 455 * day},
}

// maxBins is above the number of bins in any block.
const maxBins = 1 << 10

func (t *tier) block() time.Duration { return t.bin * time.Duration(t.bins) }

// block is the body of a row: the bins of a tier's block by their number in it.
type block map[int]*Bin

// The format of a body: formatCalls or formatReadings, and then for each bin
// that has samples, in their order: the distance from the bin before, the
// number of samples, and the rest, for calls as numbers of variable length
// (encoding/binary), for readings as big-endian IEEE 754.
const (
	formatCalls    = 1
	formatReadings = 2
)

// errBlock is what a body fails with that is none of these.
var errBlock = errors.New("a block of figures cannot be read")

// encode returns the body of a block of a tier.
func (b block) encode(k Kind, t *tier) []byte {
	format := byte(formatCalls)
	if k == Material || k == Expiry {
		format = formatReadings
	}
	body, last := []byte{format}, -1
	for i := range t.bins {
		bin := b[i]
		if bin == nil || bin.Samples == 0 {
			continue
		}
		body = binary.AppendUvarint(body, uint64(i-last)) //nolint:gosec // i is above last
		body = binary.AppendUvarint(body, bin.Samples)
		last = i
		if format == formatCalls {
			for _, n := range [...]uint64{bin.Errors, bin.Denied, bin.Throttled} {
				body = binary.AppendUvarint(body, n)
			}
			continue
		}
		for _, f := range [...]float64{bin.Sum, bin.Min, bin.Max} {
			body = binary.BigEndian.AppendUint64(body, math.Float64bits(f))
		}
	}
	return body
}

// readBlock reads what encode wrote.
func readBlock(body []byte, t *tier) (block, error) {
	r := reader{rest: body}
	format := r.byte()
	if format != formatCalls && format != formatReadings {
		return nil, errBlock
	}
	b, at := block{}, -1
	for len(r.rest) > 0 && !r.failed {
		step := r.number()
		if step == 0 || step > maxBins {
			return nil, errBlock
		}
		at += int(step)
		bin := &Bin{Samples: r.number()}
		if format == formatCalls {
			bin.Errors, bin.Denied, bin.Throttled = r.number(), r.number(), r.number()
		} else {
			bin.Sum, bin.Min, bin.Max = r.float(), r.float(), r.float()
		}
		if at >= t.bins || bin.Samples == 0 {
			return nil, errBlock
		}
		b[at] = bin
	}
	if r.failed {
		return nil, errBlock
	}
	return b, nil
}

// reader reads a body from front to back.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) float() float64 {
	if len(r.rest) < 8 {
		r.failed, r.rest = true, nil
		return 0
	}
	f := math.Float64frombits(binary.BigEndian.Uint64(r.rest))
	r.rest = r.rest[8:]
	return f
}
