package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEveryKindHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if name := k.String(); name == "" || strings.HasPrefix(name, "kind ") || seen[name] {
			t.Errorf("kind %d is called %q", uint8(k), name)
		} else {
			seen[name] = true
		}
	}
	if len(seen) != 13 {
		t.Errorf("there are %d kinds, want 13", len(seen))
	}
}

func TestKindsAreFoundThroughWrapping(t *testing.T) {
	cause := errors.New("disk on fire")
	err := fmt.Errorf("loading: %w", &Error{Kind: Unavailable, Reason: KeyUnavailable, Op: "op", Resource: "thing", Public: "later", Err: cause})
	if KindOf(err) != Unavailable || ReasonOf(err) != KeyUnavailable || !errors.Is(err, cause) {
		t.Errorf("%v is of kind %q", err, KindOf(err))
	}
	if want := "loading: op: unavailable (thing): later: disk on fire"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if KindOf(cause) != Internal || ReasonOf(cause) != Unspecified {
		t.Error("an error that nobody classified must be internal")
	}
}
