package tokens

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// What is wrong with a configuration is said by name, and ends the start.
func TestTokensThatCannotBe(t *testing.T) {
	good := config.Token{Name: "good", Module: "/usr/lib/none.so", Token: "label"}
	for name, tt := range map[string]struct {
		change func(*config.Token)
		kind   fault.Kind
		want   string
	}{
		"a preset that is none": {func(c *config.Token) { c.Preset = "acme" }, fault.InvalidArgument, `the preset "acme" is not known: it is one of aws-cloudhsm`},
		"no such library":       {func(c *config.Token) { c.Module = "/nothing.so" }, fault.InvalidArgument, "/nothing.so"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tt.change(&c)
			_, err := Open(t.Context(), &config.HSM{Tokens: []config.Token{c}}, slog.New(slog.DiscardHandler))
			if fault.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// A PIN is read when it is needed, so that a new one is known at once.
func TestPINs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(file, []byte("one\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOLDFAST_HSM_PIN_MY_TOKEN", "from the environment")
	of := secretOf(file, PINVariable("my-token"))
	for _, want := range []string{"one", "two"} {
		if got, err := of(); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		if err := os.WriteFile(file, []byte("two\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := secretOf("", PINVariable("my-token"))(); err != nil || string(got) != "from the environment" {
		t.Errorf("%q, %v", got, err)
	}
	if secretOf("", PINVariable("other")) != nil {
		t.Error("there is a PIN where there is none")
	}
}

// TestRealmsOfPlaces: who sees what is in a token, and in a group of them.
func TestRealmsOfPlaces(t *testing.T) {
	places := &Tokens{config: &config.HSM{
		Tokens: []config.Token{{Name: "any"}, {Name: "a", Realms: []string{"111111111111", "222222222222"}}, {Name: "b", Realms: []string{"222222222222"}}},
		Groups: []config.TokenGroup{{Name: "two", Tokens: []string{"a", "b"}}, {Name: "none", Tokens: []string{"any", "a"}}},
	}}
	want := map[string][]key.RealmID{
		"any": {key.DefaultRealm}, "a": {"111111111111", "222222222222"}, "b": {"222222222222"}, "two": {"222222222222"}, "none": {},
	}
	if diff := cmp.Diff(want, places.Realms()); diff != "" {
		t.Error(diff)
	}
}
