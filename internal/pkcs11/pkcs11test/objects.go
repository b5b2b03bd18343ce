package pkcs11test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

func testObjects(t *testing.T, s *pkcs11.Session) {
	o, err := s.CreateObject(t.Context(), []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassData), pkcs11.Text(pkcs11.AttrLabel, "one"),
		pkcs11.Bytes(pkcs11.AttrValue, []byte("value")), pkcs11.Text(pkcs11.AttrApplication, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetAttributes(t.Context(), o, []pkcs11.Attribute{pkcs11.Text(pkcs11.AttrLabel, "changed")}); err != nil {
		t.Fatal(err)
	}
	// A data object has no modulus: that one is nil, and the others come.
	values, err := s.Attributes(t.Context(), o, pkcs11.AttrModulus, pkcs11.AttrLabel, pkcs11.AttrApplication, pkcs11.AttrClass)
	if err != nil {
		t.Fatal(err)
	}
	if class, ok := values[3].Uint(); values[0].Value != nil || string(values[1].Value) != "changed" ||
		values[2].Value == nil || len(values[2].Value) != 0 || !ok || pkcs11.Class(class) != pkcs11.ClassData {
		t.Errorf("%+v", values)
	}
	twin, err := s.CopyObject(t.Context(), o, []pkcs11.Attribute{pkcs11.Text(pkcs11.AttrLabel, "twin")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DestroyObject(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := s.DestroyObject(t.Context(), o); !errors.Is(err, pkcs11.RVObjectHandleInvalid) {
		t.Errorf("destroyed twice: %v", err)
	}
	if values, err = s.Attributes(t.Context(), twin, pkcs11.AttrLabel); err != nil || string(values[0].Value) != "twin" {
		t.Errorf("%q, %v", values[0].Value, err)
	}
	// A sensitive value is nil too.
	_, private := pair(t, s, pkcs11.MechECKeyPairGen, pkcs11.Bytes(pkcs11.AttrECParams, p256), pkcs11.AttrSign)
	if values, err = s.Attributes(t.Context(), private, pkcs11.AttrValue, pkcs11.AttrSensitive); err != nil || values[0].Value != nil || !values[1].True() {
		t.Errorf("%+v, %v", values, err)
	}
}

func testFind(t *testing.T, s *pkcs11.Session) {
	const many = 600 // more than one C_FindObjects gives
	template := []pkcs11.Attribute{pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassData), pkcs11.Text(pkcs11.AttrLabel, "many")}
	for range many {
		if _, err := s.CreateObject(t.Context(), template); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int]int{0: 0, 1: 1, 257: 257, many: many, 10_000: many} {
		found, err := s.Find(t.Context(), template, limit)
		if err != nil || len(found) != want {
			t.Errorf("at most %d: %d found, %v", limit, len(found), err)
		}
	}
	if found, err := s.Find(t.Context(), []pkcs11.Attribute{pkcs11.Text(pkcs11.AttrLabel, "nothing")}, 10); err != nil || len(found) != 0 {
		t.Errorf("%d found, %v", len(found), err)
	}
}

func testRandom(t *testing.T, s *pkcs11.Session) {
	one, err1 := s.Random(t.Context(), 1000)
	two, err2 := s.Random(t.Context(), 1000)
	if err1 != nil || err2 != nil || len(one) != 1000 || bytes.Equal(one, two) {
		t.Errorf("%d bytes, %v, %v", len(one), err1, err2)
	}
	if _, err := s.Random(t.Context(), 0); !errors.Is(err, pkcs11.RVArgumentsBad) {
		t.Error(err)
	}
	if _, err := s.Module.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnSeed, Session: s.Handle, Data: []byte("seed")}); err != nil && !errors.Is(err, pkcs11.RVRandomSeedNotSupported) {
		t.Error(err)
	}
}

func testRefusals(t *testing.T, s *pkcs11.Session) {
	for name, tt := range map[string]struct {
		call pkcs11.Call
		want error
	}{
		"another session": {pkcs11.Call{Function: pkcs11.FnLogout, Session: 99999}, pkcs11.RVSessionHandleInvalid},
		"no such slot":    {pkcs11.Call{Function: pkcs11.FnOpenSession, Slot: 99999}, pkcs11.RVSlotIDInvalid},
		"no such key": {
			pkcs11.Call{Function: pkcs11.FnSign, Session: s.Handle, Key: 99999, Mechanism: pkcs11.Mechanism{Type: pkcs11.MechECDSA}},
			pkcs11.RVObjectHandleInvalid,
		},
		"two parameters": {
			pkcs11.Call{Function: pkcs11.FnSign, Session: s.Handle, Mechanism: pkcs11.Mechanism{PSS: &pkcs11.PSS{}, Raw: []byte{1}}},
			pkcs11.RVMechanismParamInvalid,
		},
		"attributes with addresses": {
			pkcs11.Call{Function: pkcs11.FnCreateObject, Session: s.Handle, Template: []pkcs11.Attribute{pkcs11.Bytes(0x40000211, make([]byte, 24))}},
			pkcs11.RVAttributeTypeInvalid,
		},
		"a label that is too long": {pkcs11.Call{Function: pkcs11.FnInitToken, Data: make([]byte, 33)}, pkcs11.RVArgumentsBad},
	} {
		if _, err := s.Module.Call(t.Context(), &tt.call); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Random(ended, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

// testPIN changes the PIN and logs in with it: it is the last test.
func testPIN(t *testing.T, s *pkcs11.Session) {
	if err := s.SetPIN(t.Context(), []byte(PIN), []byte("another")); err != nil {
		t.Fatal(err)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), pkcs11.UserNormal, []byte(PIN)); !errors.Is(err, pkcs11.RVPINIncorrect) {
		t.Errorf("with the old PIN: %v", err)
	}
	if err := s.Login(t.Context(), pkcs11.UserNormal, []byte("another")); err != nil {
		t.Error(err)
	}
}
