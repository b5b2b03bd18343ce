package kms_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// Everything that callers and the clock do with the same keys and names at
// the same time. What comes out is right or one of the errors that the other
// calls explain, and in the end the memory is what the store has.
func TestEverythingAtOnce(t *testing.T) {
	f := newFixture(t)
	var ahead atomic.Int64 // how far the clock has been moved
	f.clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	keys := []*key.Key{f.create(alg.AES256, alg.NoUsage), f.create(alg.AES256, alg.NoUsage)}
	doomed := make([]*key.Key, 8)
	for i := range doomed {
		doomed[i] = f.create(alg.AES256, alg.NoUsage)
	}
	old := encryptX(t, f, keys[0])

	const rounds = 60
	var wg sync.WaitGroup
	run := func(name string, allowed []fault.Kind, act func(i int) error) {
		wg.Go(func() {
			for i := range rounds {
				if err := act(i); err != nil && !slices.Contains(allowed, fault.KindOf(err)) {
					t.Errorf("%s, round %d: %v", name, i, err)
					return
				}
			}
		})
	}
	state := []fault.Kind{fault.WrongState}
	for i, k := range keys {
		for worker := range 3 {
			run(fmt.Sprintf("use %d by %d", i, worker), state, func(int) error { return encryptAndBack(t, f, k) })
		}
	}
	run("decrypt old", state, func(int) error {
		out, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: old})
		if err == nil && string(out.Plaintext) != "x" {
			t.Errorf("an old ciphertext gives %q", out.Plaintext)
		}
		return err
	})
	run("toggle", nil, func(i int) error {
		if i%2 == 0 {
			return f.DisableKey(t.Context(), f.admin(), refTo(keys[0]))
		}
		return f.EnableKey(t.Context(), f.admin(), refTo(keys[0]))
	})
	run("rotate", []fault.Kind{fault.WrongState, fault.LimitExceeded}, func(i int) error {
		_, err := f.RotateOnDemand(t.Context(), f.admin(), refTo(keys[i%2]))
		return err
	})
	run("describe", nil, func(i int) error {
		_, err := f.DescribeKey(t.Context(), f.admin(), refTo(keys[i%2]))
		return err
	})
	run("tag", nil, func(i int) error {
		return f.Tag(t.Context(), f.admin(), refTo(keys[i%2]), []key.Tag{{Key: "round", Value: fmt.Sprint(i)}})
	})
	// Names move between keys that live and keys that go.
	gone := []fault.Kind{fault.NotFound, fault.AlreadyExists, fault.WrongState}
	for worker := range 2 {
		run(fmt.Sprint("name ", worker), gone, func(i int) error {
			name, target := fmt.Sprint("alias/", i%3), doomed[(i+worker)%len(doomed)]
			switch i % 4 {
			case 0:
				return f.CreateAlias(t.Context(), f.admin(), name, refTo(target))
			case 1:
				return f.UpdateAlias(t.Context(), f.admin(), name, refTo(keys[1]))
			case 2:
				return f.UpdateAlias(t.Context(), f.admin(), name, refTo(target))
			}
			return f.DeleteAlias(t.Context(), f.admin(), name)
		})
	}
	run("use a name", gone, func(i int) error {
		_, err := f.DescribeKey(t.Context(), f.admin(), kms.Ref{Alias: fmt.Sprint("alias/", i%3)})
		return err
	})
	wg.Go(func() {
		for _, k := range doomed {
			if _, err := f.ScheduleDeletion(t.Context(), f.admin(), refTo(k), kms.MinDeletion); err != nil {
				t.Error(err)
			}
			ahead.Add(int64((kms.MinDeletion*24 + 1) * time.Hour))
			if _, err := f.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()

	if n := f.Keys(); n != len(keys) {
		t.Errorf("%d keys are left, want %d", n, len(keys))
	}
	before := seen(t, f, keys)
	f.open() // from the store
	if after := seen(t, f, keys); before != after {
		t.Errorf("memory has %s\nthe store   %s", before, after)
	}
	must(t, f.EnableKey(t.Context(), f.admin(), refTo(keys[0])))
	must(t, encryptAndBack(t, f, keys[0]))
}

// encryptAndBack returns the first error of an encryption and its undoing.
func encryptAndBack(t *testing.T, f *fixture, k *key.Key) error {
	t.Helper()
	out, err := f.Encrypt(t.Context(), f.admin(), &kms.EncryptRequest{Key: refTo(k), Algorithm: alg.AESGCM, Plaintext: []byte("x")})
	if err != nil {
		return err
	}
	back, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: out.Ciphertext})
	if err == nil && string(back.Plaintext) != "x" {
		t.Errorf("decrypted %q", back.Plaintext)
	}
	return err
}

// seen is what callers can see of the keys and of the names.
func seen(t *testing.T, f *fixture, keys []*key.Key) string {
	t.Helper()
	var text strings.Builder
	for _, k := range keys {
		now, err := f.DescribeKey(t.Context(), f.admin(), refTo(k))
		must(t, err)
		text.WriteString(fmt.Sprintf("%s: %s, %d versions, revision %d, %v; ", now.Name.ID, now.State, len(now.Versions), now.Revision, now.Tags))
	}
	for i := range 3 {
		name := fmt.Sprint("alias/", i)
		target := "nothing"
		if k, err := f.DescribeKey(t.Context(), f.admin(), kms.Ref{Alias: name}); err == nil {
			target = string(k.Name.ID)
		}
		text.WriteString(name + " is " + target + "; ")
	}
	return text.String()
}
