package secret

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// StageRequest moves a stage from one version of a secret to another, puts it
// on one, or takes it off.
type StageRequest struct {
	Secret Ref
	Stage  Stage
	// From is the version that has the stage, To the one that gets it. From is
	// needed where a version has it, so that nobody takes it away unawares.
	From, To string
}

// Attached is the cause of a refusal to move a stage from a version that the
// caller did not name.
type Attached struct {
	Stage   Stage
	Version string // which has it, "" for none
}

// Error says which version has the stage.
func (a *Attached) Error() string {
	return "stage " + string(a.Stage) + " is attached to version " + a.Version
}

// MoveStage moves a stage. Where that is Current, the version that had it gets
// Previous. The caller needs UpdateSecretStage on the secret.
func (s *Service) MoveStage(ctx context.Context, call *key.Call, req *StageRequest) (*Secret, error) {
	return s.change(ctx, call, &change{
		ref: req.Secret, action: key.UpdateSecretStage,
		attributes: &policy.Attributes{Secret: &policy.Secret{Stage: string(req.Stage)}},
		edit: func(v *guard.Visit, x *Secret) error {
			v.Note("stage", string(req.Stage))
			v.Note("from", req.From)
			v.Note("to", req.To)
			if err := req.check(x); err != nil {
				return err
			}
			if req.To == "" {
				x.detach(req.Stage)
			} else {
				x.move(req.Stage, req.To)
			}
			return nil
		},
	})
}

func (r *StageRequest) check(x *Secret) error {
	if err := r.Stage.check(); err != nil {
		return err
	}
	for _, id := range []string{r.From, r.To} {
		if _, ok := x.Version(id); id != "" && !ok {
			return noVersion(x, "the secret has no version "+id)
		}
	}
	has, attached := x.At(r.Stage)
	switch {
	case r.From == "" && r.To == "":
		return fault.New(fault.InvalidArgument, "a stage moves from a version or to one: none is given")
	case r.To == "" && r.Stage == Current:
		return fault.Because(fault.InvalidArgument, fault.StageStays, "the stage %s moves to another version; it is not taken away", Current)
	case attached && r.From != has.ID && r.To != has.ID:
		return notFrom(&Attached{r.Stage, has.ID})
	case !attached && r.From != "":
		return notFrom(&Attached{Stage: r.Stage})
	}
	if to, ok := x.Version(r.To); ok && len(to.Stages) >= MaxStages {
		return fault.New(fault.LimitExceeded, "a version has at most %d stages", MaxStages)
	}
	return nil
}

func notFrom(a *Attached) error {
	text := "the stage " + string(a.Stage) + " is attached to version " + a.Version + ", which has to be named"
	if a.Version == "" {
		text = "the stage " + string(a.Stage) + " is attached to no version"
	}
	return &fault.Error{Kind: fault.InvalidArgument, Reason: fault.StageAttached, Public: text, Err: a}
}

func noVersion(x *Secret, text string) error {
	return &fault.Error{Kind: fault.NotFound, Reason: fault.NoSuchVersion, Resource: x.Resource().String(), Public: text}
}

// move gives a stage to the version with the id, which exists. The version
// that was current becomes the previous one.
func (x *Secret) move(stage Stage, id string) {
	if old, ok := x.At(Current); ok && stage == Current && old.ID != id {
		x.move(Previous, old.ID)
	}
	x.detach(stage)
	to, _ := x.Version(id)
	to.Stages = append(to.Stages, stage)
}

// detach takes a stage from the version that has it.
func (x *Secret) detach(stage Stage) {
	for i := range x.Versions {
		x.Versions[i].Stages = slices.DeleteFunc(x.Versions[i].Stages, func(o Stage) bool { return o == stage })
	}
}
