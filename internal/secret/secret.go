// Package secret keeps secrets: named values of up to 64 KiB, each with the
// versions that it had, every version sealed under a key of the door. A version
// is found by its id or by a stage, a label that one version of a secret has at
// a time: the one that is current, the one before it, and others of the
// callers' own.
//
// Start with Service. create.go makes secrets, put.go gives them values and
// stages.go moves the stages; read.go and list.go show them, remove.go ends
// them. value.go seals, record.go has the formats of what is stored.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package secret

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Limits that hold for every API.
const (
	MaxName        = 512     // characters
	MaxDescription = 2048    // characters
	MaxValue       = 65536   // bytes
	MaxPolicy      = 20480   // bytes
	MaxVersions    = 100     // of a secret
	MaxStages      = 20      // of a version
	MaxStage       = 256     // characters
	MinVersionID   = 32      // characters
	MaxVersionID   = 64      // characters
	MaxSecrets     = 500_000 // of a realm in a region
	MinRecovery    = 7       // days
	MaxRecovery    = 30      // days, and the default
	MaxBatch       = 20      // values that are read at once
)

// via is the name of this package in key.Call.Via: as what it asks for the use
// of keys in its callers' names.
const via = "secret"

// Keys is what secrets need of the door. *kms.Service is it.
type Keys interface {
	// Provide returns the key that seals what names no other.
	Provide(ctx context.Context, call *key.Call, grantee string, p *kms.Provision) (*key.Key, error)
	GenerateDataKey(ctx context.Context, call *key.Call, req *kms.DataKeyRequest) (*kms.DataKeyResult, error)
	Decrypt(ctx context.Context, call *key.Call, req *kms.DecryptRequest) (*kms.DecryptResult, error)
}

// Config says what a Service works with. All fields but Now are needed.
type Config struct {
	Keys  Keys
	Guard *guard.Guard
	Store store.Store
	// Compile turns the policy of a secret into its canonical form, in
	// whatever dialect it was written.
	Compile func(key.Document) (*policy.Policy, error)
	// Alias is that of the key which seals the secrets that name none, made in
	// each realm and region when it is needed; KeyPolicy is the policy of that key.
	Alias     string
	KeyPolicy func(realm key.RealmID, region string) key.Document
	// Context is the encryption context under which a version is sealed.
	Context func(secret key.Resource, version string) []key.Tag
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service keeps secrets. All methods may be called at the same time. Errors
// are *fault.Error.
type Service struct {
	Config

	seed  maphash.Seed
	locks [64]sync.Mutex // guard the secrets whose names hash to them
}

// New returns a Service. It reads nothing yet.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{Config: c, seed: maphash.MakeSeed()}
}

// lock serialises the changes of a secret, by its row, and returns how to
// unlock it.
func (s *Service) lock(row string) (unlock func()) {
	m := &s.locks[maphash.String(s.seed, row)%uint64(len(s.locks))]
	m.Lock()
	return m.Unlock
}

// Ref is how a caller names a secret: by its name, or by its id. Realm and
// Region are set when the name says them, else they are the call's own.
type Ref struct {
	Realm  key.RealmID
	Region string
	// Text is a secret's name; with ByID it may be the id as well, which is the
	// name with a hyphen and suffixLength letters of Holdfast's choice.
	Text string
	ByID bool
}

// place returns where the secret is, as far as the name or the call tells.
func (r *Ref) place(call *key.Call) (realm key.RealmID, region string) {
	realm, region = r.Realm, r.Region
	if realm == "" {
		realm = call.Caller.Principal.Realm
	}
	if region == "" {
		region = call.Region
	}
	return realm, region
}

// suffixLength is the number of letters that tell a secret from one that had
// its name before.
const suffixLength = 6

// name returns the name in a text that may be an id, "" when it is none.
func (r *Ref) name() string {
	if cut := len(r.Text) - suffixLength - 1; r.ByID && cut > 0 && r.Text[cut] == '-' {
		return r.Text[:cut]
	}
	return ""
}

// find reads the secret that a caller names; nil when there is none.
func (s *Service) find(reader store.Reader, call *key.Call, ref Ref) (*Secret, error) {
	realm, region := ref.place(call)
	if region != call.Region {
		return nil, nil //nolint:nilnil // none, as documented
	}
	if name := ref.name(); name != "" {
		x, err := s.read(reader, realm, region, name)
		if err != nil || x != nil && x.ID() == ref.Text {
			return x, err
		}
	}
	return s.read(reader, realm, region, ref.Text)
}

// read reads a secret by its name; nil when there is none.
func (*Service) read(reader store.Reader, realm key.RealmID, region, name string) (*Secret, error) {
	row, err := reader.Get(store.Secrets, rowID(realm, region, name))
	if err != nil {
		switch fault.KindOf(err) { //nolint:exhaustive // all others are failures
		case fault.NotFound, fault.InvalidArgument, fault.LimitExceeded: // not there, or no name that could be
			return nil, nil //nolint:nilnil // none, as documented
		}
		return nil, err
	}
	x, err := readSecret(row)
	if err != nil || x.Realm != realm || x.Region != region || x.Name != name {
		return nil, err
	}
	return x, nil
}

// visit finds the secret that a call names and authorises an action on it. Of
// one that is not there only those learn who could do the action if it was.
func (s *Service) visit(ctx context.Context, v *guard.Visit, action key.Action, ref Ref, a *policy.Attributes) (*Secret, error) {
	var x *Secret
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		x, err = s.find(r, v.Call, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	if x == nil {
		return nil, s.missing(v, action, ref)
	}
	return x, s.authorize(v, action, x, a)
}

// missing returns why a secret that is not there is not shown.
func (*Service) missing(v *guard.Visit, action key.Action, ref Ref) error {
	realm, region := ref.place(v.Call)
	r := key.Resource{Kind: key.KindSecret, Realm: realm, Region: region, ID: ref.Text}
	if err := v.Authorize(guard.Target{Action: action, Resource: r}); err != nil {
		return err
	}
	return &fault.Error{Kind: fault.NotFound, Resource: r.String(), Public: "the secret does not exist"}
}

// authorize asks for an action on a secret; a may be nil.
func (s *Service) authorize(v *guard.Visit, action key.Action, x *Secret, a *policy.Attributes) error {
	if a == nil {
		a = &policy.Attributes{}
	}
	a.ResourceTags = x.Tags
	t := guard.Target{Action: action, Resource: x.Resource(), Attributes: a}
	if x.Policy.Text != "" {
		compiled, err := s.compiled(x, x.Policy)
		if err != nil {
			return err
		}
		t.Policy = compiled
	}
	return v.Authorize(t)
}

// compiled returns a policy for a secret.
func (s *Service) compiled(x *Secret, doc key.Document) (*policy.Policy, error) {
	p, err := s.Compile(doc)
	if err != nil {
		return nil, err
	}
	return p.Beside(x.Realm, "secret policy"), nil
}

// change runs an alteration of a secret as a call of its own.
func (s *Service) change(ctx context.Context, call *key.Call, c *change) (*Secret, error) {
	return guard.Do(ctx, s.Guard, call, c.action, func(v *guard.Visit) (*Secret, error) {
		x, unlock, err := s.visitLocked(ctx, v, c.action, c.ref, c.attributes)
		defer unlock()
		if err != nil {
			return nil, err
		}
		if x.deleted() && !c.deleted {
			return nil, x.refuseDeleted()
		}
		next := x.clone()
		if err := c.edit(v, next); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		next.ChangedAt = s.Now().UTC()
		return next, s.put(ctx, v, next, nil)
	})
}

// change is an alteration of a secret's record.
type change struct {
	ref        Ref
	action     key.Action
	attributes *policy.Attributes
	// deleted says that a secret which waits for its end can be altered, too.
	deleted bool
	edit    func(v *guard.Visit, x *Secret) error
}

// visitLocked is visit for who is about to change the secret. unlock is to be
// called whatever the error.
func (s *Service) visitLocked(
	ctx context.Context, v *guard.Visit, action key.Action, ref Ref, a *policy.Attributes,
) (x *Secret, unlock func(), err error) {
	realm, region := ref.place(v.Call)
	name := ref.Text
	if n := ref.name(); n != "" { // one lock for both names that it may be
		name = n
	}
	unlock = s.lock(rowID(realm, region, name))
	x, err = s.visit(ctx, v, action, ref, a)
	if err == nil && x.Name != name { // the text is a name that looks like an id
		unlock()
		unlock = s.lock(x.row())
		x, err = s.visit(ctx, v, action, ref, a)
	}
	return x, unlock, err
}

// dry ends a dry run: every check has passed.
func dry(call *key.Call) error {
	if call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
	}
	return nil
}

// newVersion returns the id of a new version: the caller's, or a random UUID.
func newVersion(id string) (string, error) {
	if id == "" {
		return uuid.NewString(), nil
	}
	if len(id) < MinVersionID || len(id) > MaxVersionID || strings.Trim(id, letters+"-_.:=+@") != "" {
		return "", fault.New(fault.InvalidArgument, "the id of a version has %d to %d letters, digits and characters of -_.:=+@", MinVersionID, MaxVersionID)
	}
	return id, nil
}

const (
	digits  = "0123456789"
	lower   = "abcdefghijklmnopqrstuvwxyz"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters = lower + upper + digits
)

// newSuffix returns the random end of a secret's id.
func newSuffix() string {
	b := make([]byte, suffixLength)
	for i := range b {
		b[i] = letters[below(len(letters))]
	}
	return string(b)
}

// below returns a random number from 0 to n-1, each as likely as the others; n
// is at most 256.
func below(n int) int {
	var b [1]byte
	for {
		_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
		if most := 256 - 256%n; int(b[0]) < most {
			return int(b[0]) % n
		}
	}
}
