package aws

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// tree is a request of every shape that nests.
type tree struct {
	Name     string
	Flag     *bool
	Size     int64
	Kinds    []string
	Left     *tree
	Branches []tree
	Tags     []key.Tag
	Felled   time.Time
}

var leafPattern = Regexp(`[a-z\u00E9]*`)

// Members declares it.
func (t *tree) Members(m *Members) {
	m.Text("Name", &t.Name, 1, 4).Matching(leafPattern).Required()
	m.Flag("Flag", &t.Flag)
	m.Long("Size", &t.Size, 1)
	m.Time("Felled", &t.Felled)
	m.List("Kinds", &t.Kinds, 2, 0, 9).OneOf([]string{"OAK", "ELM"}).AtLeast(1)
	Struct(m, "Left", &t.Left)
	Structs(m, "Branches", &t.Branches, 2).AtLeast(1)
	m.Unsupported("Roots")
}

func decodeTree(body string) (*tree, error) {
	var t tree
	x := &Exchange{Body: []byte(body), buffers: &buffers{}}
	return &t, x.decode(&t)
}

func TestNestedMembers(t *testing.T) {
	yes := true
	for body, want := range map[string]tree{
		`{"Name":"a"}`: {Name: "a"},
		`{"Name":"a","Left":null,"Branches":null}`:            {Name: "a"},
		`{"Name":"a","Flag":true,"Size":9007199254740993}`:    {Name: "a", Flag: &yes, Size: 9007199254740993},
		`{"Name":"a","Felled":1795363200.5}`:                  {Name: "a", Felled: time.Date(2026, 11, 22, 16, 0, 0, 5e8, time.UTC)},
		`{"Name":"a","Left":{"Name":"b","Kinds":["OAK"]}}`:    {Name: "a", Left: &tree{Name: "b", Kinds: []string{"OAK"}}},
		`{"Name":"a","Branches":[{"Name":"b"},{"Name":"é"}]}`: {Name: "a", Branches: []tree{{Name: "b"}, {Name: "é"}}},
		`{"Branches":[{"Name":"b","Left":{"Name":"c"},"X":{"Name":1}}],"Name":"a"}`: {
			Name: "a", Branches: []tree{{Name: "b", Left: &tree{Name: "c"}}},
		},
	} {
		got, err := decodeTree(body)
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestNestedComplaints(t *testing.T) {
	const one = "ValidationException: 1 validation error detected: Value "
	for body, want := range map[string]string{
		`{"Name":"a","Left":{}}`:                                 one + "null at 'left.name' failed to satisfy constraint: Member must not be null",
		`{"Name":"a","Left":{"Name":"A"}}`:                       one + `'A' at 'left.name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z\u00E9]*`,
		`{"Name":"a","Left":{"Name":"a","Size":0}}`:              one + "'0' at 'left.size' failed to satisfy constraint: Member must have value greater than or equal to 1",
		`{"Name":"a","Branches":[]}`:                             one + "at 'branches' failed to satisfy constraint: Member must have length greater than or equal to 1",
		`{"Name":"a","Branches":[{"Name":"b"},{"Name":"c"},{}]}`: one + "at 'branches' failed to satisfy constraint: Member must have length less than or equal to 2",
		`{"Name":"a","Branches":[{"Name":"b"},null]}`:            one + "null at 'branches.2.member.name' failed to satisfy constraint: Member must not be null",
		`{"Name":"a","Branches":[{"Name":"b","Left":{"Name":"abcde"}}]}`: one +
			"'abcde' at 'branches.1.member.left.name' failed to satisfy constraint: Member must have length less than or equal to 4",
		`{"Name":"a","Kinds":["OAK","ASH"]}`: one + "'[OAK, ASH]' at 'kinds' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must satisfy enum value set: [OAK, ELM]]",
		`{"Name":"a","Kinds":[]}`: one + "'[]' at 'kinds' failed to satisfy constraint: Member must have length greater than or equal to 1",
		`{"Left":{}}`: "ValidationException: 2 validation errors detected: Value null at 'name' failed to satisfy constraint: " +
			"Member must not be null; Value null at 'left.name' failed to satisfy constraint: Member must not be null",
		`{"Name":"a","Left":{"Name":"b","Roots":{}}}`: "UnsupportedOperationException: Holdfast does not support the parameter left.Roots.",
		`{"Name":"a","Left":[]}`:                      "SerializationException: Start of list found where not expected",
		`{"Name":"a","Left":1}`:                       "SerializationException: NUMBER_VALUE can not be converted to a Structure",
		`{"Name":"a","Branches":{}}`:                  "SerializationException: Start of structure or map found where not expected",
		`{"Name":"a","Branches":["b"]}`:               "SerializationException: STRING_VALUE can not be converted to a Structure",
		`{"Name":"a","Size":99999999999999999999}`:    "SerializationException: NUMBER_VALUE can not be converted to a Long",
		`{"Name":"a","Felled":"2026-11-22"}`:          "SerializationException: STRING_VALUE can not be converted to a Timestamp",
		`{"Name":"a","Flag":1}`:                       "SerializationException: NUMBER_VALUE can not be converted to a Boolean",
	} {
		_, err := decodeTree(body)
		if err == nil {
			t.Errorf("%s is taken", body)
			continue
		}
		if got := err.Error(); !strings.HasSuffix(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
	}
}

// A body full of small structures makes neither a long answer nor, beyond the
// limit, work.
func TestManyStructures(t *testing.T) {
	got, err := decodeTree(`{"Name":"a","Branches":[` + strings.Repeat("{},", 80_000) + `{}]}`)
	if err == nil || len(err.Error()) > 1<<10 || len(got.Branches) != 2 {
		t.Errorf("%d branches, %.200v", len(got.Branches), err)
	}
}
