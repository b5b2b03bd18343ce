package native

import (
	"bytes"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The paths of the seal, which anybody may ask: docs/seal.md says why.
const (
	SealPath   = Prefix + "/seal"         // GET: SealStatus
	UnsealPath = Prefix + "/seal/unseal"  // POST: UnsealRequest, SealStatus
	ResealPath = Prefix + "/seal/restart" // POST: UnsealRequest, SealStatus
)

// SealStatus is whether a server has its root key, and else how far its
// unsealing has come.
type SealStatus struct {
	Sealed bool `json:"sealed"`
	// Have of the Need shares have been entered, since the time Since.
	Have  int        `json:"have,omitempty"`
	Need  int        `json:"need,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	// Set is the id of the set that the shares are of.
	Set string `json:"set,omitempty"`
}

// UnsealRequest brings a share.
type UnsealRequest struct {
	Share ShareText `json:"share"`
}

// ShareText is a share as text. It is bytes, so that it can be cleared, and
// redacts itself in everything but JSON.
type ShareText []byte

// UnmarshalJSON takes a text without escapes, of which a share has none.
func (s *ShareText) UnmarshalJSON(text []byte) error {
	if len(text) < 2 || text[0] != '"' || bytes.IndexByte(text, '\\') >= 0 {
		return fault.New(fault.InvalidArgument, "the share is not a text")
	}
	*s = bytes.Clone(text[1 : len(text)-1])
	return nil
}

// MarshalJSON writes the share: it is for whoever sends it.
func (s ShareText) MarshalJSON() ([]byte, error) {
	for _, c := range s {
		if c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 { // what encoding/json escapes
			return nil, fault.New(fault.InvalidArgument, "the share has a character that no share has")
		}
	}
	out := append(make([]byte, 0, len(s)+2), '"')
	return append(append(out, s...), '"'), nil
}

// String keeps the share out of every log.
func (s ShareText) String() string { return "[share]" }

// GoString keeps the share out of %#v.
func (s ShareText) GoString() string { return s.String() }
