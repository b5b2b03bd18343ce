package remote

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// entry is a key of the server. It is not changed once it is known: another
// takes its place.
type entry struct {
	id      string
	checked time.Time // when the server was asked
	shown   bool
	aliases []string

	spec         alg.Spec
	usage        alg.Usage
	version      uint32
	label        string // of the tag; "" for none
	ckaID        []byte // of the tag; nil for none
	public       []byte
	exportable   bool
	imported     bool
	tags         []client.Tag
	certificates []*certificate
}

// object is the key as an application sees it.
func (e *entry) object(a *account) token.Object {
	return token.Object{
		ID: e.id, Kind: token.Key, Spec: e.spec, Usage: e.usage, Label: e.shownLabel(), CKAID: e.shownID(), Public: e.public,
		Exportable: e.exportable, Imported: e.imported, Use: &use{account: a, id: e.id, spec: e.spec, public: e.public},
	}
}

func (e *entry) shownLabel() string {
	switch {
	case e.label != "":
		return e.label
	case len(e.aliases) > 0:
		return strings.TrimPrefix(e.aliases[0], "alias/")
	}
	return e.id
}

func (e *entry) shownID() []byte {
	if e.ckaID != nil {
		return e.ckaID
	}
	if ski, err := keyless.SKIOf(e.public); err == nil {
		return ski[:]
	}
	if id, err := uuid.Parse(e.id); err == nil { // a secret key
		return id[:]
	}
	return []byte(e.id)
}

// parseID reads a tag's CKA_ID; nil of one that cannot be read, as of none.
func parseID(text string) []byte {
	id, err := hex.DecodeString(text)
	if err != nil || len(id) == 0 {
		return nil
	}
	return id
}
