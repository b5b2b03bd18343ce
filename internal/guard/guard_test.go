package guard_test

import (
	"context"
	"errors"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// ledger keeps entries and can fail, at the n-th of them.
type ledger struct {
	entries []audit.Entry
	waits   int
	failAt  int
}

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	if l.failAt == len(l.entries)+1 {
		return 0, errors.New("no space left on device")
	}
	l.entries = append(l.entries, *e)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { l.waits++; return nil }

type nobody struct{}

func (nobody) Policies(*key.Caller) []*policy.Policy { return nil }

func root() *key.Call {
	return &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.Root}}, RequestID: "r"}
}

var realm = guard.Target{Action: key.ListKeys, Resource: key.Resource{Realm: key.DefaultRealm}}

func TestResultLeavesWithItsEntry(t *testing.T) {
	l := &ledger{}
	call := root()
	got, err := guard.Do(t.Context(), guard.New(l, nobody{}), call, key.ListKeys, func(v *guard.Visit) (string, error) {
		v.Note("n", "v")
		return "result", v.Authorize(realm)
	})
	if err != nil || got != "result" || len(l.entries) != 1 || l.waits != 1 || !call.Recorded {
		t.Fatalf("got %q, %v with %d entries", got, err, len(l.entries))
	}
	if e := l.entries[0]; e.Result != "ok" || e.Decision != audit.Allowed || e.Action != key.ListKeys || len(e.Details) != 1 {
		t.Errorf("the entry is %+v", e)
	}
}

func TestUnauthorisedSuccessIsRefused(t *testing.T) {
	l := &ledger{}
	got, err := guard.Do(t.Context(), guard.New(l, nobody{}), root(), key.ListKeys, func(*guard.Visit) (string, error) {
		return "result", nil
	})
	if fault.KindOf(err) != fault.Internal || err == nil || got != "" {
		t.Errorf("an operation that never asked gave %q, %v", got, err)
	}
	_, err = guard.Do(t.Context(), guard.New(l, nobody{}), root(), key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
		return none, v.Commit(t.Context(), func() error { t.Error("it changed something"); return nil })
	})
	if fault.KindOf(err) != fault.Internal || err == nil {
		t.Errorf("a change that never asked gave %v", err)
	}
}

func TestCallerProvedWithinTheVisit(t *testing.T) {
	l := &ledger{}
	call := &key.Call{RequestID: "r"}
	_, err := guard.Do(t.Context(), guard.New(l, nobody{}), call, key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(realm); err == nil {
			t.Error("nobody in particular may act")
		}
		proved := root().Caller
		proved.Method, proved.MFA = "token", true
		v.Identify(proved)
		return none, v.Authorize(realm)
	})
	if err != nil || len(l.entries) != 1 {
		t.Fatalf("%v, %d entries", err, len(l.entries))
	}
	if e := l.entries[0]; e.Realm != key.DefaultRealm || e.Principal != "123456789012:root:" || e.Method != "token" || !e.MFA {
		t.Errorf("the entry is %+v", e)
	}
}

func TestDeniedAfterAllowedIsDenied(t *testing.T) {
	l := &ledger{}
	foreign := realm
	foreign.Resource.Realm = "999999999999"
	foreign.Resource.Kind, foreign.Resource.ID = key.KindUser, "x"
	_, err := guard.Do(t.Context(), guard.New(l, nobody{}), root(), key.ListKeys, func(v *guard.Visit) (string, error) {
		if err := v.Authorize(realm); err != nil {
			t.Fatal(err)
		}
		if err := v.Authorize(foreign); err == nil {
			t.Error("the root of one realm may act in another")
		}
		return "result", nil // forgets the refusal
	})
	if err == nil {
		t.Error("a refusal that was forgotten let the result out")
	}
}

func TestNothingChangesWithoutAnEntry(t *testing.T) {
	l := &ledger{failAt: 1}
	changed := false
	_, err := guard.Do(t.Context(), guard.New(l, nobody{}), root(), key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(realm); err != nil {
			return none, err
		}
		return none, v.Commit(t.Context(), func() error { changed = true; return nil })
	})
	if fault.KindOf(err) != fault.Unavailable || changed {
		t.Errorf("changed: %v, error %v", changed, err)
	}
}

func TestFailedChangeHasASecondEntry(t *testing.T) {
	l := &ledger{}
	broken := fault.New(fault.Unavailable, "the disk is gone")
	_, err := guard.Do(t.Context(), guard.New(l, nobody{}), root(), key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(realm); err != nil {
			return none, err
		}
		return none, v.Commit(t.Context(), func() error { return broken })
	})
	if !errors.Is(err, broken) || len(l.entries) != 2 || l.entries[0].Result != "ok" || l.entries[1].Result != "unavailable" {
		t.Errorf("error %v, entries %+v", err, l.entries)
	}
}

func TestRefusalBeforeAnOperationIsRecordedOnce(t *testing.T) {
	l := &ledger{}
	g := guard.New(l, nobody{})
	call := &key.Call{RequestID: "r"}
	wrong := fault.Because(fault.Unauthenticated, fault.WrongProof, "the signature does not match")
	for range 2 {
		if err := g.Refuse(t.Context(), call, key.Sign, wrong); !errors.Is(err, wrong) {
			t.Errorf("got %v", err)
		}
	}
	if len(l.entries) != 1 || l.entries[0].Principal != "" || l.entries[0].Result != "unauthenticated" {
		t.Errorf("the entries are %+v", l.entries)
	}
}

func TestStepWithinDoesNotWait(t *testing.T) {
	l := &ledger{}
	g := guard.New(l, nobody{})
	_, err := guard.Do(t.Context(), g, root(), key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
		_, err = guard.DoWithin(t.Context(), g, root(), key.Sign, func(v *guard.Visit) (none struct{}, err error) {
			return none, v.Authorize(realm)
		})
		if err != nil || l.waits != 0 || len(l.entries) != 1 {
			t.Errorf("the step within gave %v, %d entries and %d waits", err, len(l.entries), l.waits)
		}
		return none, v.Authorize(realm)
	})
	if err != nil || l.waits != 1 || len(l.entries) != 2 {
		t.Errorf("got %v, %d entries, %d waits", err, len(l.entries), l.waits)
	}
}

func TestInternalCausesStayInside(t *testing.T) {
	l := &ledger{}
	_, _ = guard.Do(t.Context(), guard.New(l, nobody{}), root(), key.ListKeys, func(*guard.Visit) (none struct{}, err error) {
		return none, errors.New("password is hunter2")
	})
	if e := l.entries[0]; e.Error != "" || e.Result != "internal" {
		t.Errorf("the entry is %+v", e)
	}
}

func TestPanickingOperationIsRecorded(t *testing.T) {
	l := &ledger{}
	call := root()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = guard.Do(t.Context(), guard.New(l, nobody{}), call, key.ListKeys, func(*guard.Visit) (none struct{}, err error) {
			panic("a bug of ours")
		})
	}()
	if len(l.entries) != 1 || l.entries[0].Result != "internal" || !call.Recorded {
		t.Errorf("the entries are %+v", l.entries)
	}
}

// TestMay: asking what is allowed authorises nothing, and leaves no trace.
func TestMay(t *testing.T) {
	l := &ledger{}
	foreign := guard.Target{Action: key.ListKeys, Resource: key.Resource{Realm: "999999999999"}}
	_, err := guard.Do(t.Context(), guard.New(l, nobody{}), root(), key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
		if !v.May(realm) || v.May(foreign) {
			t.Error("the root may list its own keys, and no others")
		}
		return none, nil
	})
	if fault.KindOf(err) != fault.Internal || err == nil {
		t.Errorf("an operation that only asked what it may gave %v", err)
	}
	if e := l.entries[0]; e.Decision != audit.Undecided || e.Resource != "" || e.Why != "" {
		t.Errorf("the entry is %+v", e)
	}
}
