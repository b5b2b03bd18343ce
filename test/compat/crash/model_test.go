package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// model is what the server must still know. Each worker has keys of its own,
// so that what one key went through has an order.
type model struct {
	workers []*worker
}

type worker struct {
	name   string
	random *rand.Rand
	keys   []*keyModel
	// aliases maps names to keys; maybe holds what was in flight when the
	// server was killed, and may or may not have happened.
	aliases map[string]*keyModel
	maybe   map[string]*keyModel
	acked   atomic.Int64
	n       int     // for unique names
	wrong   []error // answers that no kill explains
}

// keyModel is one key. A field with two values was being changed when the
// server was killed; check settles it.
type keyModel struct {
	id          string
	state       []types.KeyState
	description []string
	rotations   [2]int // at least, at most
	blobs       []sealed
}

type sealed struct{ plain, blob []byte }

func newModel(workers int, random *rand.Rand) *model {
	m := &model{}
	for i := range workers {
		m.workers = append(m.workers, &worker{
			name: fmt.Sprint("w", i), random: rand.New(rand.NewPCG(random.Uint64(), 1)),
			aliases: map[string]*keyModel{}, maybe: map[string]*keyModel{},
		})
	}
	return m
}

// work calls the server until the context ends or the server has.
func (w *worker) work(ctx context.Context, c *kms.Client) {
	for ctx.Err() == nil {
		err := w.step(ctx, c)
		api, answered := errors.AsType[smithy.APIError](err)
		switch {
		case err == nil:
			w.acked.Add(1)
		case answered:
			w.wrong = append(w.wrong, fmt.Errorf("%s: refused: %s %s", w.name, api.ErrorCode(), api.ErrorMessage()))
			return
		default:
			return // cut off
		}
	}
}

// step makes one random call and writes down what it may and must have done.
func (w *worker) step(ctx context.Context, c *kms.Client) error {
	if len(w.keys) == 0 || len(w.keys) < 20 && w.random.IntN(8) == 0 {
		return w.create(ctx, c)
	}
	k := w.keys[w.random.IntN(len(w.keys))]
	enabled := k.state[0] == types.KeyStateEnabled
	switch n := w.random.IntN(12); {
	case n < 2:
		return w.alias(ctx, c, k)
	case n == 2:
		return w.describe(ctx, c, k)
	case n == 3 && enabled:
		return w.rotate(ctx, c, k)
	case n < 6:
		return w.toggle(ctx, c, k)
	case enabled:
		return w.seal(ctx, c, k)
	}
	return w.toggle(ctx, c, k)
}

func (w *worker) create(ctx context.Context, c *kms.Client) error {
	out, err := c.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String(w.name)})
	if err != nil {
		return err
	}
	w.keys = append(w.keys, &keyModel{id: *out.KeyMetadata.KeyId, state: []types.KeyState{types.KeyStateEnabled}, description: []string{w.name}})
	return nil
}

func (w *worker) alias(ctx context.Context, c *kms.Client, k *keyModel) error {
	w.n++
	name := fmt.Sprintf("alias/%s-%d", w.name, w.n)
	w.maybe[name] = k
	if _, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &k.id}); err != nil {
		return err
	}
	delete(w.maybe, name)
	w.aliases[name] = k
	return nil
}

func (w *worker) describe(ctx context.Context, c *kms.Client, k *keyModel) error {
	w.n++
	text := fmt.Sprintf("%s %d", w.name, w.n)
	k.description = append(k.description, text)
	if _, err := c.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &k.id, Description: &text}); err != nil {
		return err
	}
	k.description = []string{text}
	return nil
}

func (w *worker) rotate(ctx context.Context, c *kms.Client, k *keyModel) error {
	if k.rotations[1] >= 5 {
		return w.seal(ctx, c, k) // the service has a limit per key
	}
	k.rotations[1]++
	if _, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id}); err != nil {
		return err
	}
	k.rotations[0] = k.rotations[1]
	return nil
}

// toggle disables an enabled key, and the other way round.
func (w *worker) toggle(ctx context.Context, c *kms.Client, k *keyModel) error {
	if k.state[0] == types.KeyStateEnabled {
		k.state = append(k.state, types.KeyStateDisabled)
		if _, err := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id}); err != nil {
			return err
		}
	} else {
		k.state = append(k.state, types.KeyStateEnabled)
		if _, err := c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.id}); err != nil {
			return err
		}
	}
	k.state = k.state[1:]
	return nil
}

func (w *worker) seal(ctx context.Context, c *kms.Client, k *keyModel) error {
	plain := make([]byte, 1+w.random.IntN(200))
	for i := range plain {
		plain[i] = byte(w.random.Uint32())
	}
	out, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: plain})
	if err != nil {
		return err
	}
	if s := (sealed{plain, out.CiphertextBlob}); len(k.blobs) < 10 {
		k.blobs = append(k.blobs, s)
	} else {
		k.blobs[w.random.IntN(len(k.blobs))] = s
	}
	return nil
}

// check compares the server with the model, and settles what was in flight.
func (m *model) check(t *testing.T, c *kms.Client) {
	t.Helper()
	for _, w := range m.workers {
		for _, k := range w.keys {
			k.check(t, c)
		}
		for name, k := range w.aliases {
			if got := describeKey(t, c, name); got != nil && *got.KeyId != k.id {
				t.Errorf("%s names %s, want %s", name, *got.KeyId, k.id)
			}
		}
		for name, k := range w.maybe {
			out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
			switch {
			case err == nil && *out.KeyMetadata.KeyId == k.id:
				w.aliases[name] = k
			case err == nil:
				t.Errorf("%s names %s, want %s or nothing", name, *out.KeyMetadata.KeyId, k.id)
			case !strings.Contains(err.Error(), "NotFoundException"):
				t.Errorf("%s: %v", name, err)
			}
		}
		clear(w.maybe)
	}
	m.checkWhole(t, c)
}

// check compares one key.
func (k *keyModel) check(t *testing.T, c *kms.Client) {
	t.Helper()
	got := describeKey(t, c, k.id)
	if got == nil {
		return
	}
	if !slices.Contains(k.state, got.KeyState) {
		t.Errorf("%s is %s, want one of %v", k.id, got.KeyState, k.state)
	}
	if !slices.Contains(k.description, *got.Description) {
		t.Errorf("%s is described as %q, want one of %q", k.id, *got.Description, k.description)
	}
	k.state, k.description = []types.KeyState{got.KeyState}, []string{*got.Description}
	out, err := c.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &k.id})
	if err != nil {
		t.Errorf("rotations of %s: %v", k.id, err)
		return
	}
	if n := len(out.Rotations); n < k.rotations[0] || n > k.rotations[1] {
		t.Errorf("%s was rotated %d times, want %d to %d", k.id, n, k.rotations[0], k.rotations[1])
	} else {
		k.rotations = [2]int{n, n}
	}
	if got.KeyState != types.KeyStateEnabled {
		return
	}
	for _, s := range k.blobs {
		out, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: s.blob})
		if err != nil || !bytes.Equal(out.Plaintext, s.plain) {
			t.Errorf("a ciphertext of %s does not open: %v", k.id, err)
		}
	}
}

// checkWhole looks at every key that the server lists, also those whose
// creation was never acknowledged: each is whole, and usable when enabled.
func (m *model) checkWhole(t *testing.T, c *kms.Client) {
	t.Helper()
	known := map[string]bool{}
	for _, w := range m.workers {
		for _, k := range w.keys {
			known[k.id] = true
		}
	}
	for p := kms.NewListKeysPaginator(c, &kms.ListKeysInput{Limit: aws.Int32(1000)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, listed := range page.Keys {
			id := *listed.KeyId
			if known[id] {
				delete(known, id)
				continue
			}
			wholeKey(t, c, id)
		}
	}
	for id := range known {
		t.Errorf("%s was acknowledged and is not listed", id)
	}
}

// wholeKey uses a key that is there although its creation was cut off.
func wholeKey(t *testing.T, c *kms.Client, id string) {
	t.Helper()
	if got := describeKey(t, c, id); got == nil || got.KeyState != types.KeyStateEnabled {
		t.Errorf("%s is half there: %+v", id, got)
		return
	}
	out, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	if err != nil {
		t.Errorf("%s is half there: %v", id, err)
		return
	}
	if _, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob}); err != nil {
		t.Errorf("%s is half there: %v", id, err)
	}
}

func describeKey(t *testing.T, c *kms.Client, name string) *types.KeyMetadata {
	t.Helper()
	out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
	if err != nil {
		t.Errorf("%s was acknowledged and is lost: %v", name, err)
		return nil
	}
	return out.KeyMetadata
}

// checkAudit has the program verify its audit log, and compares the number of
// its entries with that of the acknowledged calls: none may be missing.
func (m *model) checkAudit(t *testing.T, s *compat.Server) {
	t.Helper()
	out, err := s.Run(t.Context(), "audit", "verify", "--json")
	if err != nil {
		t.Error(err)
		return
	}
	var report struct {
		Entries int `json:"entries"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Errorf("audit verify says %q: %v", out, err)
	}
	if report.Entries < m.acknowledged() {
		t.Errorf("the audit log has %d entries for %d acknowledged calls", report.Entries, m.acknowledged())
	}
}

func (m *model) acknowledged() int {
	n := 0
	for _, w := range m.workers {
		n += int(w.acked.Load())
	}
	return n
}

func (m *model) keyCount() int {
	n := 0
	for _, w := range m.workers {
		n += len(w.keys)
	}
	return n
}

func (m *model) blobCount() int {
	n := 0
	for _, w := range m.workers {
		for _, k := range w.keys {
			n += len(k.blobs)
		}
	}
	return n
}
