package awskms_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
)

const id = "5f0c0000-1111-4222-8333-444444444444"

func version(n key.VersionNumber) engine.Ref {
	return engine.Ref{Realm: key.DefaultRealm, ID: id, Version: n}
}

var signs = engine.Kind{Spec: alg.P256, Usage: alg.SignVerify}

// generate makes a key and opens it.
func generate(t *testing.T, e *awskms.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, *engine.Key) {
	t.Helper()
	m, err := e.Generate(t.Context(), ref, kind)
	if err != nil {
		t.Fatalf("Generate: %v", err)
	}
	k, err := e.Open(t.Context(), ref, kind.Spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return m, k
}

// described returns what the service says of a key.
func (s *service) described(t *testing.T, name string) *types.KeyMetadata {
	t.Helper()
	out, err := s.client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

// TestName says what a key looks like in the service, that it is made once, and
// that another version is another key.
func TestName(t *testing.T) {
	t.Parallel()
	e, f, s := alone(t)
	one, _ := generate(t, e, version(1), signs)
	again, _ := generate(t, e, version(1), signs)
	two, _ := generate(t, e, version(2), signs)
	if !bytes.Equal(one.Public, again.Public) || bytes.Equal(one.Public, two.Public) || f.Keys() != 2 {
		t.Errorf("two versions are %d keys", f.Keys())
	}
	m := s.described(t, "alias/holdfast-"+id+"-1")
	if got := aws.ToString(m.Description); got != "holdfast-"+id+"-1" || m.KeySpec != types.KeySpecEccNistP256 || m.Origin != types.OriginTypeAwsKms {
		t.Errorf("it is %q, a %s from %s", got, m.KeySpec, m.Origin)
	}
	tags, err := s.client.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: m.KeyId})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range tags.Tags {
		got[*tag.TagKey] = *tag.TagValue
	}
	if diff := cmp.Diff(map[string]string{"holdfast:key": id, "holdfast:version": "1"}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	_, err = e.Generate(t.Context(), version(1), engine.Kind{Spec: alg.P384, Usage: alg.SignVerify})
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("another kind under the same name: %v", err)
	}
	_, err = e.Import(t.Context(), version(1), signs, enginetest.NewPlain(t, alg.P256))
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("imported material under the same name: %v", err)
	}
	if err := e.Destroy(t.Context(), version(1), one.Wrapped); err != nil {
		t.Fatal(err)
	}
	if c, err := e.Condition(t.Context(), version(2), alg.P256, two.Wrapped); err != nil || c != engine.Usable {
		t.Errorf("version 1 was destroyed, and version 2 is %q (%v)", c, err)
	}
	if got := s.described(t, *m.Arn).KeyState; got != types.KeyStatePendingDeletion {
		t.Errorf("the destroyed key is %s", got)
	}
	fresh, _ := generate(t, e, version(1), signs)
	if bytes.Equal(fresh.Public, one.Public) {
		t.Error("a destroyed key is used again")
	}
}

// alone returns an engine over Holdfast in a region of its own, what is in
// front of it, and a client past both.
func alone(t *testing.T) (*awskms.Engine, *remotetest.Faulty, *service) {
	t.Helper()
	s := running(t, holdfast)
	there := &service{}
	e, f := s.faulty(t, func(o *awskms.Options) {
		o.Timeout, o.Attempt = 0, 0 // of production: nothing is slow here
		at := newService(s.url, s.roots)
		c := at.client.Options()
		c.Region = o.Region
		at.client = kms.New(c)
		*there = *at
	})
	return e, f, there
}

// TestAtOnce has many calls ask for one key at once.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	e, f, _ := alone(t)
	var all sync.WaitGroup
	materials := make([]engine.Material, 6)
	for i := range materials {
		all.Go(func() {
			var err error
			if materials[i], err = e.Generate(t.Context(), version(1), signs); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, m := range materials {
		if !bytes.Equal(m.Public, materials[0].Public) {
			t.Error("calls for one key return several")
		}
	}
	if n := f.Keys(); n != 1 {
		t.Errorf("one key is %d keys", n)
	}
}

// TestTwoServers has two engines, of two servers, ask for one key at once: the
// one that is second uses what the first one made.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	e, f, s := alone(t)
	o := running(t, holdfast).options("other")
	o.Region = s.client.Options().Region
	engines := []*awskms.Engine{e, newEngine(t, o)}
	var all sync.WaitGroup
	materials := make([]engine.Material, len(engines))
	for i, e := range engines {
		all.Go(func() {
			var err error
			if materials[i], err = e.Generate(t.Context(), version(1), signs); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if !bytes.Equal(materials[0].Public, materials[1].Public) || f.Keys() != 1 {
		t.Errorf("one key is %d keys", f.Keys())
	}
}

// TestLostAnswer has the answer to CreateKey get lost while another key of the
// name is there that nobody has given the name to: the older one is used, and
// the other one goes.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	e, f, s := alone(t)
	older, err := s.client.CreateKey(t.Context(), &kms.CreateKeyInput{
		KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify, Description: aws.String(remote.KeyName(version(1))),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Inject(remotetest.Cut, 1, 1)
	generate(t, e, version(1), signs)
	if n := f.Keys(); n != 1 {
		t.Errorf("one key is %d keys", n)
	}
	if got := s.described(t, "alias/"+remote.KeyName(version(1))); *got.Arn != *older.KeyMetadata.Arn {
		t.Error("the younger key was chosen")
	}
}

// TestAbandoned has the last steps of making a key fail for good: what was made
// goes again, at once or when it is asked for the next time.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	t.Run("at once", func(t *testing.T) {
		e, f, _ := alone(t)
		f.Inject(remotetest.Fail, 2, 4) // CreateAlias, with all its repetitions
		if _, err := e.Generate(t.Context(), version(1), signs); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a key without a name: %v", err)
		}
		if n := f.Keys(); n != 0 {
			t.Errorf("%d keys are left", n)
		}
	})
	t.Run("later", func(t *testing.T) {
		e, f, _ := alone(t)
		f.Inject(remotetest.Drop, 2, 8) // and ScheduleKeyDeletion
		if _, err := e.Generate(t.Context(), version(1), signs); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a key without a name: %v", err)
		}
		if n := f.Keys(); n != 1 {
			t.Errorf("%d keys are left", n)
		}
		f.Inject(remotetest.None, 0, 0)
		time.Sleep(400 * time.Millisecond) // longer than the circuit rests
		generate(t, e, version(1), signs)
		if n := f.Keys(); n != 1 {
			t.Errorf("one key is %d keys", n)
		}
	})
}

// TestAdopted says what becomes of a key that is somebody else's: nothing.
func TestAdopted(t *testing.T) {
	t.Parallel()
	e, _, s := alone(t)
	arn := s.adopt(t, alg.P256)
	other := s.adopt(t, alg.P256)
	if _, err := s.client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/theirs"), TargetKeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	ref := version(1)
	var materials []engine.Material
	for _, name := range []string{arn, arn[strings.LastIndexByte(arn, '/')+1:], "alias/theirs", strings.Replace(arn, "key/"+arn[strings.LastIndexByte(arn, '/')+1:], "alias/theirs", 1)} {
		kind, m, err := e.Adopt(t.Context(), ref, name)
		if err != nil || kind != signs || len(materials) > 0 && !bytes.Equal(m.Public, materials[0].Public) {
			t.Fatalf("Adopt of %s: %v, %v", name, kind, err)
		}
		materials = append(materials, m)
	}
	if _, err := s.client.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: aws.String("alias/theirs"), TargetKeyId: &other}); err != nil {
		t.Fatal(err)
	}
	for _, m := range materials {
		k, err := e.Open(t.Context(), ref, alg.P256, m.Wrapped)
		if err != nil {
			t.Fatal(err)
		}
		public, err := engine.ParsePublic(alg.P256, m.Public)
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Rehearse(k.Signer, public); err != nil {
			t.Errorf("the alias was pointed at another key, and this one: %v", err)
		}
		for range 2 {
			if err := e.SetEnabled(t.Context(), ref, alg.P256, m.Wrapped, false); err != nil {
				t.Error(err)
			}
			if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
				t.Error(err)
			}
			if err := e.Recover(t.Context(), ref, alg.P256, m.Wrapped); err != nil {
				t.Error(err)
			}
		}
	}
	if got := s.described(t, arn).KeyState; got != types.KeyStateEnabled {
		t.Errorf("somebody's key is %s", got)
	}
}

// TestNotAdopted says which keys are not adopted.
func TestNotAdopted(t *testing.T) {
	t.Parallel()
	e, _, _ := alone(t)
	generate(t, e, version(1), signs)
	for name, want := range map[string]fault.Kind{
		"":                                     fault.InvalidArgument,
		"alias/missing":                        fault.NotFound,
		"missing":                              fault.NotFound,
		"5f0c0000-1111-4222-8333-444444444444": fault.NotFound,
		"alias/" + remote.KeyName(version(1)):  fault.WrongState, // it is Holdfast's already

		// An ARN says where the request goes.
		"arn:aws:kms:elsewhere.example/:111122223333:key/x": fault.InvalidArgument,
		"arn:aws:kms:a b:111122223333:key/x":                fault.InvalidArgument,
		"arn:aws:kms::111122223333:key/x":                   fault.InvalidArgument,
		"arn:aws:s3:eu-central-1:111122223333:key/x":        fault.InvalidArgument,
		"arn:aws:kms": fault.InvalidArgument,
	} {
		if _, _, err := e.Adopt(t.Context(), version(2), name); fault.KindOf(err) != want {
			t.Errorf("Adopt of %q: %v, want %q", name, err, want)
		}
	}
	if h := e.Health(); h.State != remote.StateOK {
		t.Errorf("names that are wrong, and the service is %q", h.State)
	}
}

// TestMake says which names a new key can have.
func TestMake(t *testing.T) {
	t.Parallel()
	e, f, s := alone(t)
	arn, err := e.Make(t.Context(), "alias/team/signing_key-1", signs)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.described(t, "alias/team/signing_key-1"); *got.Arn != arn {
		t.Errorf("the alias is of %s, not %s", *got.Arn, arn)
	}
	if _, err := e.Make(t.Context(), "team/signing_key-1", engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt}); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("a name that is taken by another kind: %v", err)
	}
	for _, name := range []string{"", "alias/", "a key", "key:1", "schlüssel", "aws/s3", remote.KeyName(version(1))} {
		if _, err := e.Make(t.Context(), name, signs); fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("Make of %q: %v", name, err)
		}
	}
	if _, err := e.Make(t.Context(), "transfer", engine.Kind{Spec: alg.RSA2048, Usage: alg.KeyTransfer}); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("a key exchange key: %v", err)
	}
	if n := f.Keys(); n != 1 {
		t.Errorf("there are %d keys", n)
	}
}

// TestAdoptAgreement adopts a key that agrees, and has it agree.
func TestAdoptAgreement(t *testing.T) {
	t.Parallel()
	e, _, s := alone(t)
	made, err := s.client.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP521, KeyUsage: types.KeyUsageTypeKeyAgreement})
	if err != nil {
		t.Fatal(err)
	}
	kind, m, err := e.Adopt(t.Context(), version(1), *made.KeyMetadata.Arn)
	if want := (engine.Kind{Spec: alg.P521, Usage: alg.KeyAgreement}); err != nil || kind != want {
		t.Fatalf("%+v, %v", kind, err)
	}
	k, err := e.Open(t.Context(), version(1), alg.P521, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePublic(alg.P521, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.RehearseAgreement(k.Agreement, public); err != nil {
		t.Error(err)
	}
	if err := engine.Rehearse(k.Signer, public); fault.ReasonOf(err) != fault.WrongUsage {
		t.Errorf("the key signs: %v", err)
	}
}

// TestUnknown has keys that the table does not have, and such as are AWS's own.
func TestUnknown(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kms:eu-central-1:123456789012:key/0c1d"
	for _, tt := range []struct{ spec, usage, manager string }{
		{"SM2", "SIGN_VERIFY", "CUSTOMER"},
		{"ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "CUSTOMER"},
		{"RSA_2048", "KEY_AGREEMENT", "CUSTOMER"},
		{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS"},
	} {
		e := newEngine(t, over(canned(t, func(asked) answer {
			return answer{body: map[string]any{
				"KeyMetadata": map[string]any{"KeyId": "0c1d", "Arn": arn, "KeySpec": tt.spec, "KeyUsage": tt.usage, "KeyManager": tt.manager, "KeyState": "Enabled"},
				"Keys":        []any{map[string]any{"KeyArn": arn}},
			}}
		})))
		if _, _, err := e.Adopt(t.Context(), version(1), arn); fault.KindOf(err) != fault.Unsupported {
			t.Errorf("Adopt of %+v: %v", tt, err)
		}
		keys, next, err := e.List(t.Context(), "")
		if err != nil || next != "" || len(keys) != 1 || !strings.HasPrefix(keys[0].Type, tt.spec+" "+tt.usage) || keys[0].Kind != (engine.Kind{}) {
			t.Errorf("the list has %+v, %v", keys, err)
		}
	}
}

// TestOtherRegion adopts a key by an ARN of another region, and one of another
// account's.
func TestOtherRegion(t *testing.T) {
	t.Parallel()
	e, _, _ := alone(t)
	s, _ := running(t, holdfast).apart()
	arn := s.adopt(t, alg.P256)
	_, m, err := e.Adopt(t.Context(), version(1), arn)
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), version(1), alg.P256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePublic(alg.P256, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Rehearse(k.Signer, public); err != nil {
		t.Error(err)
	}
	if c, err := e.Condition(t.Context(), version(1), alg.P256, m.Wrapped); err != nil || c != engine.Usable {
		t.Errorf("it is %q (%v)", c, err)
	}
}

// TestLong says which messages a service takes that takes 4,096 bytes: such as
// are hashed before have any length.
func TestLong(t *testing.T) {
	t.Parallel()
	e, _, _ := alone(t)
	long := bytes.Repeat([]byte("long"), 1025) // 4,100 bytes
	for n, tt := range []struct {
		spec alg.Spec
		want fault.Reason
	}{
		{alg.P256, fault.Unspecified}, {alg.MLDSA44, fault.Unspecified}, {alg.Ed25519, fault.MessageTooLong},
	} {
		m, k := generate(t, e, version(key.VersionNumber(n+1)), engine.Kind{Spec: tt.spec, Usage: alg.SignVerify})
		a, msg := tt.spec.Info().Algorithms[0], engine.Message{Form: alg.Raw, Bytes: long}
		signature, err := engine.Sign(k.Signer, a, msg)
		if fault.ReasonOf(err) != tt.want {
			t.Errorf("%s: %v", tt.spec, err)
		}
		if err != nil {
			continue
		}
		public, err := engine.ParsePublic(tt.spec, m.Public)
		if err != nil {
			t.Fatal(err)
		}
		if err := public.Verify(a, msg, signature); err != nil {
			t.Errorf("%s: %v", tt.spec, err)
		}
		if err := k.Verifier.Verify(a, msg, signature); err != nil {
			t.Errorf("%s, in the service: %v", tt.spec, err)
		}
		signature[len(signature)-1] ^= 1
		for _, bad := range [][]byte{signature, nil, make([]byte, 8000)} {
			if err := k.Verifier.Verify(a, msg, bad); fault.KindOf(err) != fault.BadSignature {
				t.Errorf("%s, in the service, a signature of %d bytes that is none: %v", tt.spec, len(bad), err)
			}
		}
	}
	_, k := generate(t, e, version(8), engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC})
	for _, message := range [][]byte{nil, long} {
		if _, err := k.MAC.Sum(nil, message); fault.ReasonOf(err) != fault.MessageTooLong {
			t.Errorf("a code of %d bytes: %v", len(message), err)
		}
	}
	code, err := k.MAC.Sum(nil, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		message, code []byte
		want          fault.Kind
	}{
		{[]byte("message"), code[1:], fault.BadSignature},
		{[]byte("messagE"), code, fault.BadSignature},
		{long, code, fault.InvalidArgument},
	} {
		if err := k.Verifier.Verify(alg.HMACSHA256, engine.Message{Form: alg.Raw, Bytes: tt.message}, tt.code); fault.KindOf(err) != tt.want {
			t.Errorf("a code that is none: %v, want %q", err, tt.want)
		}
	}
	if err := k.Verifier.Verify(alg.HMACSHA256, engine.Message{Form: alg.Raw, Bytes: []byte("message")}, code); err != nil {
		t.Error(err)
	}
	testLongAEAD(t, e, long)
}

// testLongAEAD encrypts with associated data of any length.
func testLongAEAD(t *testing.T, e *awskms.Engine, long []byte) {
	t.Helper()
	_, k := generate(t, e, version(9), engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt})
	for _, plaintext := range [][]byte{nil, long} {
		if _, err := k.AEAD.Seal(nil, plaintext, nil); fault.ReasonOf(err) != fault.MessageTooLong {
			t.Errorf("a plaintext of %d bytes: %v", len(plaintext), err)
		}
	}
	for _, associated := range [][]byte{long[:2048], long[:2049], long} {
		box, err := k.AEAD.Seal(nil, []byte("plaintext"), associated)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.AEAD.Open(nil, box, associated); err != nil || string(got) != "plaintext" {
			t.Errorf("%d bytes of associated data: %q, %v", len(associated), got, err)
		}
		if _, err := k.AEAD.Open(nil, box, append([]byte{0}, associated...)); fault.KindOf(err) != fault.BadCiphertext {
			t.Errorf("another %d bytes of associated data: %v", len(associated), err)
		}
	}
	if _, err := k.AEAD.Open(nil, make([]byte, 7000), nil); fault.KindOf(err) != fault.BadCiphertext {
		t.Errorf("a ciphertext that is too long: %v", err)
	}
}

// TestList lists more keys than a page has, with those of Holdfast's marked.
func TestList(t *testing.T) {
	t.Parallel()
	e, _, s := alone(t)
	for n := range key.VersionNumber(3) {
		generate(t, e, version(n+1), engine.Kind{Spec: alg.HMAC256, Usage: alg.GenerateVerifyMAC})
	}
	for range 49 {
		s.adopt(t, alg.AES256)
	}
	pages, all, ours := 0, map[string]bool{}, 0
	for page := ""; pages == 0 || page != ""; pages++ {
		keys, next, err := e.List(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if all[k.Name] = true; k.Made {
				ours++
			}
			if want := map[bool]alg.Spec{true: alg.HMAC256, false: alg.AES256}[k.Made]; k.Kind.Spec != want || k.Condition != engine.Usable || k.Type == "" {
				t.Errorf("the list has %+v", k)
			}
		}
		page = next
	}
	if pages != 2 || len(all) != 52 || ours != 3 {
		t.Errorf("%d pages have %d keys, %d of them Holdfast's", pages, len(all), ours)
	}
}

// TestWrongAnswer has a service answer with another key: that counts as no
// answer.
func TestWrongAnswer(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kms:eu-central-1:123456789012:key/0c1d"
	wrong := 0
	s := canned(t, func(q asked) answer {
		about := arn
		if q.operation != "DescribeKey" {
			if wrong--; wrong >= 0 {
				about = strings.Replace(arn, "0c1d", "0c1e", 1)
			}
		}
		return answer{body: map[string]any{
			"KeyId": about, "Mac": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
			"KeyMetadata": map[string]any{"KeyId": "0c1d", "Arn": arn, "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC", "KeyState": "Enabled"},
		}}
	})
	e := newEngine(t, over(s))
	_, m, err := e.Adopt(t.Context(), version(1), arn)
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), version(1), alg.HMAC256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	wrong = 2
	if _, err := k.MAC.Sum(nil, []byte("message")); err != nil {
		t.Errorf("two wrong answers: %v", err)
	}
	wrong = 4
	if _, err := k.MAC.Sum(nil, []byte("message")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("nothing but wrong answers: %v", err)
	}
}

// TestGone uses a key that is no longer there, or that the service lets nobody
// use.
func TestGone(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kms:eu-central-1:123456789012:key/0c1d"
	code := ""
	s := canned(t, func(asked) answer {
		return answer{code: code, body: map[string]any{
			"KeyMetadata": map[string]any{"KeyId": "0c1d", "Arn": arn, "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled"},
		}}
	})
	e := newEngine(t, over(s))
	_, m, err := e.Adopt(t.Context(), version(1), "0c1d")
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), version(1), alg.AES256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		code   string
		kind   fault.Kind
		reason fault.Reason
	}{
		{"NotFoundException", fault.WrongState, fault.KeyUnavailable},
		{"DisabledException", fault.WrongState, fault.KeyDisabled},
		{"AccessDeniedException", fault.Unavailable, fault.Unspecified},
		{"InvalidCiphertextException", fault.BadCiphertext, fault.Unspecified},
	} {
		code = tt.code
		if _, err := k.AEAD.Open(nil, []byte("ciphertext"), nil); fault.KindOf(err) != tt.kind || fault.ReasonOf(err) != tt.reason {
			t.Errorf("%s: %v", tt.code, err)
		}
	}
	code = "NotFoundException"
	if c, err := e.Condition(t.Context(), version(1), alg.AES256, m.Wrapped); err != nil || c != engine.Gone {
		t.Errorf("the key is %q (%v)", c, err)
	}
}
