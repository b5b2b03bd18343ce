package byok

import (
	"cmp"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/test/compat/judge"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// defaultRounds is how often the server is killed; HOLDFAST_CRASH_ROUNDS says
// otherwise.
const defaultRounds = 12

// TestPowerCut kills the server in the middle of imports and deletions of
// material, again and again. After each restart the key is pending import or
// complete, never half; what was acknowledged holds; and the same token brings
// the material in that did not come in.
func TestPowerCut(t *testing.T) {
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("HOLDFAST_CRASH_ROUNDS"), strconv.Itoa(defaultRounds)))
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := &world{dir: t.TempDir()}
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { w.server.Kill() }()
	names := []string{"symmetric", "p-256", "hmac-256", "rsa-2048"}
	outcomes := map[string]int{}
	for round := range rounds {
		name := names[round%len(names)]
		dir := t.TempDir()
		w.untraced(t, name, kinds[name].make(t, dir, "key"))
		cut := &powerCut{world: w, id: w.pending(t, kinds[name]), dir: dir, random: random}
		outcomes["import: "+cut.importing(t)]++
		outcomes["delete: "+cut.deleting(t)]++
		if t.Failed() {
			t.Fatalf("in round %d, %s", round, name)
		}
	}
	t.Logf("after %d kills: %v", 2*rounds, outcomes)
}

// powerCut is one key and what happens to it.
type powerCut struct {
	*world

	id, dir string
	random  *rand.Rand
}

// during kills the server while it does something, starts it again, and
// reports whether the doing was acknowledged.
func (c *powerCut) during(t *testing.T, do func() error) bool {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	time.Sleep(time.Duration(c.random.Int64N(int64(12 * time.Millisecond))))
	c.server.Kill()
	acknowledged := <-done == nil
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return acknowledged
}

// importing leaves the key complete and returns how the import ended.
func (c *powerCut) importing(t *testing.T) string {
	t.Helper()
	p := c.parameters(t, c.id, kwp256, small)
	in := &kms.ImportKeyMaterialInput{
		KeyId: &c.id, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrappings[kwp256].wrap(t, c.dir, "key", p.PublicKey),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	client := c.Client // of the server that is killed
	acknowledged := c.during(t, func() error {
		_, err := client.ImportKeyMaterial(t.Context(), in)
		return err
	})
	state := c.describe(t, c.id).KeyState
	switch {
	case state == types.KeyStateEnabled:
	case state == types.KeyStatePendingImport && !acknowledged:
		if _, err := c.ImportKeyMaterial(t.Context(), in); err != nil {
			t.Errorf("the token after the restart: %v", err)
		}
	default:
		t.Errorf("the key is %s, acknowledged: %v", state, acknowledged)
	}
	judge.Key(t, c.Client, c.id, judge.Read(t, c.dir, "key"))
	return string(state)
}

// deleting returns how the deletion of the material ended.
func (c *powerCut) deleting(t *testing.T) string {
	t.Helper()
	client := c.Client
	acknowledged := c.during(t, func() error {
		_, err := client.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &c.id})
		return err
	})
	m := c.describe(t, c.id)
	switch {
	case m.KeyState == types.KeyStateEnabled && !acknowledged:
	case m.KeyState == types.KeyStatePendingImport:
		c.bring(t, c.id, c.dir, "key", kwp256, small)
	default:
		t.Errorf("the key is %s, acknowledged: %v", m.KeyState, acknowledged)
	}
	judge.Key(t, c.Client, c.id, judge.Read(t, c.dir, "key"))
	return string(m.KeyState)
}
