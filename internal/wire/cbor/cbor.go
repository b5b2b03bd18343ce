// Package cbor is CBOR (RFC 8949) as Smithy's RPC v2 protocol has it. A
// request becomes the JSON text that says the same (JSON), so that what an
// operation takes is declared, read and checked in one way, whatever protocol
// it came by. An answer is written by Encoder.
package cbor

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// The bounds on a request. No request of any API served comes near them.
const (
	maxDepth    = 32
	maxElements = 1 << 16 // of an array
	maxPairs    = 1 << 12 // of a map
)

// errContent is what a request is refused for that is CBOR, and says what the
// protocol has no place for.
var errContent = errors.New("the CBOR has a value that is not in the protocol")

// decoding is strict: map keys are text and there once, text is UTF-8, and
// nothing follows the value.
var decoding = mustDecode(cbor.DecOptions{
	DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: maxDepth, MaxArrayElements: maxElements, MaxMapPairs: maxPairs,
	DefaultMapType: reflect.TypeFor[map[string]any](), UTF8: cbor.UTF8RejectInvalid, IndefLength: cbor.IndefLengthAllowed,
	TimeTagToAny: cbor.TimeTagToTime,
})

func mustDecode(o cbor.DecOptions) cbor.DecMode {
	mode, err := o.DecMode()
	if err != nil {
		panic("the options for CBOR contradict one another: " + err.Error())
	}
	return mode
}

// JSON returns the JSON text that says the same as a CBOR structure: bytes are
// in base64, times are seconds since 1970. Empty data are an empty structure.
func JSON(data []byte) ([]byte, error) {
	if len(data) == 0 {
		return []byte("{}"), nil
	}
	var value map[string]any
	if err := decoding.Unmarshal(data, &value); err != nil {
		return nil, fmt.Errorf("reading CBOR: %w", err)
	}
	if value == nil {
		return nil, errContent
	}
	said, err := plain(value)
	if err != nil {
		return nil, err
	}
	return json.Marshal(said)
}

// plain returns a value as encoding/json is to write it.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int64, uint64, []byte:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errContent
		}
		return v, nil
	case time.Time:
		return seconds(v)
	case []any:
		for i := range v {
			said, err := plain(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = said
		}
		return v, nil
	case map[string]any:
		for name := range v {
			said, err := plain(v[name])
			if err != nil {
				return nil, err
			}
			v[name] = said
		}
		return v, nil
	default: // other tags, simple values and numbers too large
		return nil, errContent
	}
}

// seconds returns a time as a number of seconds, to the millisecond.
func seconds(t time.Time) (any, error) {
	ms := big.NewInt(t.Unix())
	ms.Mul(ms, big.NewInt(1000)).Add(ms, big.NewInt(int64(t.Nanosecond())/int64(time.Millisecond)))
	if !ms.IsInt64() {
		return nil, errContent
	}
	return json.Number(new(big.Rat).SetFrac(ms, big.NewInt(1000)).FloatString(3)), nil
}
