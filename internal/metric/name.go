package metric

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// all stands in a series' name for things or operations together.
const all = "*"

// nameParts are realm, region, kind, id and operation.
const nameParts = 5

// name is the series in the ids of rows.
func (s *Series) name() string {
	id, operation := s.ID, all
	if id == "" {
		id = all
	}
	if s.Operation != key.NoAction {
		operation = s.Operation.String()
	}
	return string(s.Realm) + "/" + s.Region + "/" + string(s.Kind) + "/" + id + "/" + operation
}

// parseName reads what name wrote.
func parseName(name string) (Series, error) {
	parts := strings.Split(name, "/")
	if len(parts) != nameParts {
		return Series{}, stray(name)
	}
	s := Series{Realm: key.RealmID(parts[0]), Region: parts[1], Kind: Kind(parts[2]), ID: parts[3]}
	if s.ID == all {
		s.ID = ""
	}
	if s.Kind.Names() == nil {
		return Series{}, stray(name)
	}
	if parts[4] == all {
		return s, nil
	}
	operation, ok := operations[parts[4]]
	if !ok {
		return Series{}, stray(name)
	}
	s.Operation = operation
	return s, nil
}

func stray(name string) error {
	return fmt.Errorf("reading a series: %w", fault.New(fault.InvalidArgument, "%q is the name of no series", name))
}

// operations are the actions by their names.
var operations = operationsByName()

func operationsByName() map[string]key.Action {
	m := map[string]key.Action{}
	for _, a := range key.Actions() {
		m[a.String()] = a
	}
	return m
}

// row returns the id of a block's row.
func (s *Series) row(t *tier, number int64) string { return rowID(s.name(), t, number) }

func rowID(name string, t *tier, number int64) string {
	return name + "/" + t.name + "/" + fmt.Sprintf("%09d", number)
}

// numberOf returns the number of the block that a row is.
func numberOf(id string) (int64, error) {
	n, err := strconv.ParseInt(id[strings.LastIndexByte(id, '/')+1:], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", id, errBlock)
	}
	return n, nil
}

// seriesOf returns the name in a row's id.
func seriesOf(id string) string {
	for range 2 {
		id = id[:max(strings.LastIndexByte(id, '/'), 0)]
	}
	return id
}
