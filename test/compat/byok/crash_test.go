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
const defaultRounds = 8

// TestPowerCut kills the server in the middle of imports and deletions of
// material, again and again. After each restart the key is pending import or
// complete, never half; what was acknowledged holds; and the same token brings
// the material in that did not come in.
func TestPowerCut(t *testing.T) {
	cut := newPowerCut(t)
	names := []string{"symmetric", "p-256", "hmac-256", "rsa-2048"}
	outcomes := map[string]int{}
	for round := range rounds(t) {
		name := names[round%len(names)]
		cut.untraced(t, name, kinds[name].make(t, cut.dir, "key"))
		cut.id = cut.pending(t, kinds[name])
		outcomes["import: "+cut.importing(t)]++
		outcomes["delete: "+cut.deleting(t)]++
		if t.Failed() {
			t.Fatalf("in round %d, %s", round, name)
		}
	}
	t.Logf("after the kills: %v", outcomes)
}

// rounds is how often to kill the server.
func rounds(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("HOLDFAST_CRASH_ROUNDS"), strconv.Itoa(defaultRounds)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// How long a call may take, and a run of the command line, which has to start.
const (
	callTime    = 12 * time.Millisecond
	commandTime = 250 * time.Millisecond
)

// powerCut is a server that is killed, and the key that things are done to.
type powerCut struct {
	*world

	id, dir string
	random  *rand.Rand
}

func newPowerCut(t *testing.T) *powerCut {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &powerCut{world: &world{dir: t.TempDir()}, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0))}
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.server.Kill() })
	return c
}

// during kills the server within a time of the beginning of something, starts
// it again, and reports whether that something was acknowledged.
func (c *powerCut) during(t *testing.T, within time.Duration, do func() error) bool {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	time.Sleep(time.Duration(c.random.Int64N(int64(within))))
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
	acknowledged := c.during(t, callTime, func() error {
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
	acknowledged := c.during(t, callTime, func() error {
		_, err := client.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &c.id})
		return err
	})
	m := c.describe(t, c.id)
	switch {
	case m.KeyState == types.KeyStateEnabled && !acknowledged:
	case m.KeyState == types.KeyStatePendingImport:
		c.bring(t, c.id, c.dir, "key", kwp256)
	default:
		t.Errorf("the key is %s, acknowledged: %v", m.KeyState, acknowledged)
	}
	judge.Key(t, c.Client, c.id, judge.Read(t, c.dir, "key"))
	return string(m.KeyState)
}
