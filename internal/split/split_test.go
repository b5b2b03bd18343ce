package split

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

func set(t testing.TB, owner string, threshold, shares int) (*Set, []Share, []byte) {
	t.Helper()
	s, list, key, err := New(owner, threshold, shares)
	if err != nil {
		t.Fatal(err)
	}
	return s, list, key
}

// Every choice of as many shares as are needed gives the key.
func TestAnyThresholdGivesTheKey(t *testing.T) {
	for _, c := range []struct{ threshold, shares int }{{2, 2}, {2, 3}, {3, 5}, {5, 5}} {
		s, list, key := set(t, "house", c.threshold, c.shares)
		chosen := 0
		for bits := range 1 << c.shares {
			var some []Share
			for i := range list {
				if bits&(1<<i) != 0 {
					some = append(some, list[i])
				}
			}
			got, err := s.Key("house", some)
			if len(some) < c.threshold {
				if fault.KindOf(err) != fault.InvalidArgument {
					t.Fatalf("%d shares of %d: %v", len(some), c.threshold, err)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, key) {
				t.Fatalf("shares %b: another key, %v", bits, err)
			}
			chosen++
		}
		if chosen == 0 {
			t.Fatal("nothing was tried")
		}
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		threshold, shares int
		good              bool
	}{{2, 2, true}, {MaxShares, MaxShares, true}, {1, 1, false}, {1, 3, false}, {4, 3, false}, {2, MaxShares + 1, false}, {0, 0, false}, {-1, 3, false}} {
		s, _, _, err := New("house", c.threshold, c.shares)
		if (err == nil) != c.good || (err != nil && fault.KindOf(err) != fault.InvalidArgument) {
			t.Errorf("%d of %d: %v", c.threshold, c.shares, err)
		}
		if err == nil && s.Validate() != nil {
			t.Errorf("%d of %d: %v", c.threshold, c.shares, s.Validate())
		}
	}
}

func TestWrongShares(t *testing.T) {
	s, list, _ := set(t, "house", 2, 3)
	_, older, _ := set(t, "house", 2, 3)
	_, foreign, _ := set(t, "other", 2, 3)
	changed := list[0]
	changed.value = bytes.Clone(list[0].value)
	changed.value[3] ^= 1
	other := list[0]
	other.number = 2
	high := list[0]
	high.number = 9
	order := list[0]
	order.value = bytes.Repeat([]byte{0xff}, valueSize)
	for _, test := range []struct {
		name  string
		share Share
		kind  fault.Kind
		text  string
	}{
		{"of another installation", foreign[0], fault.Unauthenticated, "another installation"},
		{"of an old set", older[0], fault.WrongState, "was replaced"},
		{"changed", changed, fault.Unauthenticated, "was not made with it"},
		{"with another's number", other, fault.Unauthenticated, "was not made with it"},
		{"with a number beyond the set's", high, fault.Unauthenticated, "was not made with it"},
		{"beyond the group's order", order, fault.Unauthenticated, "was not made with it"},
	} {
		if err := s.Check("house", &test.share); fault.KindOf(err) != test.kind || !strings.Contains(fmt.Sprint(err), test.text) {
			t.Errorf("%s: %v", test.name, err)
		}
		if _, err := s.Key("house", []Share{list[1], test.share}); fault.KindOf(err) != test.kind {
			t.Errorf("%s gave a key: %v", test.name, err)
		}
	}
	if _, err := s.Key("house", []Share{list[1], list[1]}); !strings.Contains(fmt.Sprint(err), "given twice") {
		t.Errorf("a duplicate: %v", err)
	}
}

func TestWrongSets(t *testing.T) {
	for name, change := range map[string]func(*Set){
		"later version":        func(s *Set) { s.V = 2 },
		"no id":                func(s *Set) { s.ID = "" },
		"threshold too large":  func(s *Set) { s.Threshold = 4 },
		"threshold too small":  func(s *Set) { s.Threshold, s.Commitments = 1, s.Commitments[:1] },
		"commitment missing":   func(s *Set) { s.Commitments = s.Commitments[:1] },
		"commitment no point":  func(s *Set) { s.Commitments[0] = bytes.Repeat([]byte{0xff}, elemSize) },
		"commitment cut short": func(s *Set) { s.Commitments[1] = s.Commitments[1][:31] },
	} {
		s, _, _ := set(t, "house", 2, 3)
		change(s)
		if s.Validate() == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestSetIsJSON(t *testing.T) {
	s, list, key := set(t, "house", 3, 5)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again Set
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	got, err := again.Key("house", list[2:])
	if err != nil || !bytes.Equal(got, key) {
		t.Errorf("another key, %v", err)
	}
	if diff := cmp.Diff(s, &again); diff != "" {
		t.Error(diff)
	}
}

func TestText(t *testing.T) {
	_, list, _ := set(t, "house", 2, 3)
	text := string(list[1].Text())
	if len(text) != 4+16*6 || !strings.HasPrefix(text, "HFS1-") {
		t.Errorf("the text has %d characters", len(text))
	}
	for name, typed := range map[string]string{
		"as it was":     text,
		"small letters": strings.ToLower(text),
		"no dashes":     strings.ReplaceAll(text, "-", ""),
		"spaces":        " " + strings.ReplaceAll(text, "-", " ") + " \r\n",
		"O for 0":       strings.ReplaceAll(text, "0", "o"),
		"l for 1":       strings.ReplaceAll(text, "1", "l"),
	} {
		s, err := Parse([]byte(typed))
		if err != nil || s.Number() != 2 || !bytes.Equal(s.value, list[1].value) || s.Set() != list[1].Set() {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	for name, c := range map[string]struct{ typed, want string }{
		"nothing":            {"", "begins with HFS1"},
		"something else":     {"correct horse battery", "begins with HFS1"},
		"a later version":    {"HFS2" + text[4:], "version that this program does not know"},
		"one missing":        {text[:len(text)-1], "79 characters, and 80 are right"},
		"one too many":       {text + "0", "81 characters"},
		"not in an alphabet": {text[:10] + "!" + text[11:], "character 10 is none"},
		"far too long":       {strings.Repeat(text, 6), "more than 512 characters"},
	} {
		if _, err := Parse([]byte(c.typed)); fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Each single typing error, and each pair of neighbours that changed places,
// is found.
func TestTypingErrorsAreFound(t *testing.T) {
	_, list, _ := set(t, "house", 2, 2)
	text := bytes.ReplaceAll(list[0].Text(), []byte("-"), nil)
	for i := len(textPrefix); i < len(text); i++ {
		for _, c := range []byte(alphabet) {
			typed := bytes.Clone(text)
			if typed[i] == c {
				continue
			}
			typed[i] = c
			if _, err := Parse(typed); err == nil {
				t.Fatalf("a wrong character %d passes", i)
			}
		}
		if i+1 < len(text) && text[i] != text[i+1] {
			typed := bytes.Clone(text)
			typed[i], typed[i+1] = typed[i+1], typed[i]
			if _, err := Parse(typed); err == nil {
				t.Fatalf("characters %d and %d change places", i, i+1)
			}
		}
	}
}

func TestSharesRedactThemselves(t *testing.T) {
	_, list, _ := set(t, "house", 2, 2)
	value := fmt.Sprintf("%x", list[0].value[:4])
	text := string(list[0].Text()[20:30])
	inJSON, err := json.Marshal(struct{ S Share }{list[0]})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(list[0]), fmt.Sprintf("%+v", list), fmt.Sprintf("%#v", list[0]), fmt.Sprintf("%v", &list[0]), string(inJSON),
	} {
		if strings.Contains(shown, value) || strings.Contains(shown, text) || !strings.Contains(shown, "[share 1 of set") {
			t.Errorf("it shows itself: %s", shown)
		}
	}
	list[0].Clear()
	if !bytes.Equal(list[0].value, make([]byte, valueSize)) {
		t.Error("the value is still there")
	}
}

// What parses is written back the same.
func FuzzParse(f *testing.F) {
	_, list, _ := set(f, "house", 2, 3)
	for i := range list {
		f.Add(list[i].Text())
		f.Add(bytes.ToLower(list[i].Text()))
	}
	f.Add([]byte("HFS1-"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Fatalf("%v", err)
			}
			return
		}
		written := s.Text()
		again, err := Parse(written)
		if err != nil || !bytes.Equal(again.Text(), written) {
			t.Fatalf("%q does not come back: %v", written, err)
		}
		tidied, err := tidy(text)
		if err != nil || !bytes.Equal(tidied, bytes.ReplaceAll(written, []byte("-"), nil)) {
			t.Fatalf("%q is not %q", text, written)
		}
	})
}
