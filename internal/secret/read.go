package secret

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Choice says which version of a secret is wanted. Where both are given, the
// version has to have the stage; none means the stage Current.
type Choice struct {
	Secret  Ref
	Version string
	Stage   Stage
}

// Revealed is a version of a secret with its value, for the caller to Wipe.
type Revealed struct {
	*Secret
	Version Version
	Value   *Value
}

// Get returns a version of a secret. The caller needs GetSecretValue on the
// secret, and Decrypt on the key that seals it.
func (s *Service) Get(ctx context.Context, call *key.Call, c *Choice) (*Revealed, error) {
	a := &policy.Attributes{Secret: &policy.Secret{Version: c.Version, Stage: string(c.Stage)}}
	if c.Version == "" && c.Stage == "" {
		a.Secret.Stage = string(Current)
	}
	return guard.Do(ctx, s.Guard, call, key.GetSecretValue, func(v *guard.Visit) (*Revealed, error) {
		x, err := s.visit(ctx, v, key.GetSecretValue, c.Secret, a)
		if err != nil {
			return nil, err
		}
		if x.deleted() {
			return nil, x.refuseDeleted()
		}
		version, err := x.choose(c)
		if err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		v.Note("version", version.ID)
		value, err := s.open(ctx, call, x, version.ID)
		if err != nil {
			return nil, err
		}
		if err := s.accessed(ctx, v, x, version.ID); err != nil {
			value.Wipe()
			return nil, err
		}
		return &Revealed{x, *version, value}, nil
	})
}

// choose returns the version that is wanted.
func (x *Secret) choose(c *Choice) (*Version, error) {
	stage := c.Stage
	if stage == "" && c.Version == "" {
		stage = Current
	}
	var found *Version
	var ok bool
	if c.Version != "" {
		if found, ok = x.Version(c.Version); !ok {
			return nil, noVersion(x, "the secret has no version "+c.Version)
		}
	}
	if stage == "" {
		return found, nil
	}
	at, ok := x.At(stage)
	switch {
	case !ok:
		return nil, noVersion(x, "the secret has no version with the stage "+string(stage))
	case found != nil && at != found:
		return nil, noVersion(x, "the version "+found.ID+" of the secret does not have the stage "+string(stage))
	}
	return at, nil
}

// day is a time's day in UTC.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// accessed notes the day on which a version was read, once a day. It is no
// change of the secret, and gives way to one.
func (s *Service) accessed(ctx context.Context, v *guard.Visit, x *Secret, version string) error {
	today := day(s.Now())
	if read, ok := x.Version(version); ok && !x.AccessedAt.Before(today) && !read.AccessedAt.Before(today) {
		return nil
	}
	defer s.lock(x.row())()
	next := x.clone()
	next.AccessedAt = today
	if read, ok := next.Version(version); ok {
		read.AccessedAt = today
	}
	return v.Commit(ctx, func() error {
		if err := s.update(ctx, next, nil); err != nil && fault.KindOf(err) != fault.Conflict {
			return err
		}
		return nil
	})
}

// Describe returns a secret without its values.
func (s *Service) Describe(ctx context.Context, call *key.Call, ref Ref) (*Secret, error) {
	return s.show(ctx, call, key.DescribeSecret, ref)
}

// Versions returns a secret for the list of its versions.
func (s *Service) Versions(ctx context.Context, call *key.Call, ref Ref) (*Secret, error) {
	return s.show(ctx, call, key.ListSecretVersions, ref)
}

func (s *Service) show(ctx context.Context, call *key.Call, action key.Action, ref Ref) (*Secret, error) {
	return guard.Do(ctx, s.Guard, call, action, func(v *guard.Visit) (*Secret, error) {
		return s.visit(ctx, v, action, ref, nil)
	})
}

// Item is one secret of a Batch: its current value, or why there is none.
type Item struct {
	Name     string // as it was asked for
	Revealed *Revealed
	Err      error
}

// BatchRequest asks for the current values of several secrets: of those that
// are named, or of a page of a listing.
type BatchRequest struct {
	Secrets []Ref
	List    *List // nil for the named ones; its page has at most MaxBatch
}

// Batch returns the current values of up to MaxBatch secrets, and where the
// listing goes on. The caller needs BatchGetSecretValue, for a listing
// ListSecrets, and for each secret what Get needs; those that it may not read
// have an error of their own.
func (s *Service) Batch(ctx context.Context, call *key.Call, req *BatchRequest) (list []Item, next string, err error) {
	list, err = guard.Do(ctx, s.Guard, call, key.BatchGetSecretValue, func(v *guard.Visit) ([]Item, error) {
		if err := v.Authorize(realmTarget(call, key.BatchGetSecretValue)); err != nil {
			return nil, err
		}
		refs := req.Secrets
		if req.List != nil {
			if refs, next, err = s.listed(ctx, call, req.List); err != nil {
				return nil, err
			}
		}
		if req.List == nil && len(refs) == 0 || len(refs) > MaxBatch {
			return nil, fault.New(fault.InvalidArgument, "a batch has 1 to %d secrets", MaxBatch)
		}
		v.NoteInt("secrets", len(refs))
		return s.values(ctx, call, refs)
	})
	return list, next, err
}

// listed returns the secrets of a page of a listing.
func (s *Service) listed(ctx context.Context, call *key.Call, l *List) (refs []Ref, next string, err error) {
	page := *l
	if page.Page.Limit < 1 || page.Page.Limit > MaxBatch {
		page.Page.Limit = MaxBatch
	}
	list, next, err := s.List(ctx, call, &page)
	for _, x := range list {
		refs = append(refs, Ref{Text: x.Name})
	}
	return refs, next, err
}

// values returns the current value of each secret, or why there is none.
func (s *Service) values(ctx context.Context, call *key.Call, refs []Ref) ([]Item, error) {
	list := make([]Item, len(refs))
	for i, ref := range refs {
		list[i].Name = ref.Text
		list[i].Revealed, list[i].Err = s.Get(ctx, call, &Choice{Secret: ref})
		if err := list[i].Err; err != nil && broken(err) {
			wipe(list)
			return nil, err
		}
	}
	return list, nil
}

// broken reports whether a failure is not the caller's and not the secret's.
func broken(err error) bool {
	kind := fault.KindOf(err)
	return kind == fault.Internal || kind == fault.Unavailable && fault.ReasonOf(err) != fault.SecretKey || errors.Is(err, context.Canceled)
}

func wipe(list []Item) {
	for _, item := range list {
		if item.Revealed != nil {
			item.Revealed.Value.Wipe()
		}
	}
}

// realmTarget is what to authorise where no one secret is concerned.
func realmTarget(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}
