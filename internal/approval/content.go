package approval

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// digestOf returns what tells a request from all others, in hexadecimal: the
// HMAC-SHA-256 of the fields below, each with its length before it. What is
// approved is what is done, because the request that uses an approval has this
// digest. It has a key because requests may hold secrets that can be guessed, and
// the digest is kept and shown.
func digestOf(secret []byte, call *key.Call, action key.Action, resource string) (string, error) {
	body, err := canonical(call.Asked.Body, call.Asked.Tokens)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, secret)
	for _, field := range []string{
		"holdfast approval 1", call.Caller.Principal.String(), call.Caller.UserID, call.Caller.Person(),
		action.String(), resource, call.API, call.Operation, call.Region, call.Asked.Path, call.Asked.Query, string(body),
	} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(field)))
		h.Write(size[:])
		h.Write([]byte(field))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// maxDepth bounds how deep the bodies are that can be approved.
const maxDepth = 64

// errTwice is of JSON that decoders may read in different ways.
var errTwice = errors.New("the request has a member twice, or two whose names differ only in case")

// canonical returns a body in a form that is the same for every way to write the
// same JSON object, without the members of the top that are named in without. A
// body that is no JSON object is its own form. JSON that two decoders might read
// differently is refused: what was shown must be what is done.
func canonical(body []byte, without []string) ([]byte, error) {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(body) {
		return body, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	out, err := value(nil, d, 0, without)
	if errors.Is(err, errTwice) {
		return nil, fault.New(fault.InvalidArgument, "%v", err)
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Public: "the request cannot be read", Err: err}
	}
	if bytes.Contains(out, []byte("\uFFFD")) || bytes.Contains(out, []byte(`\ufffd`)) {
		return body, nil // something that is no text may be read in several ways
	}
	return out, nil
}

// value appends the next value of the decoder.
func value(out []byte, d *json.Decoder, depth int, without []string) ([]byte, error) {
	if depth > maxDepth {
		return nil, fault.New(fault.InvalidArgument, "the request is nested too deep")
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return object(out, d, depth, without)
		}
		return array(out, d, depth)
	case json.Number:
		return append(out, t...), nil
	default:
		text, err := json.Marshal(t)
		return append(out, text...), err
	}
}

func array(out []byte, d *json.Decoder, depth int) (_ []byte, err error) {
	out = append(out, '[')
	for d.More() {
		if out, err = value(out, d, depth+1, nil); err != nil {
			return nil, err
		}
		out = append(out, ',')
	}
	_, err = d.Token()
	return append(out, ']'), err
}

// object appends the members in the order of their names.
func object(out []byte, d *json.Decoder, depth int, without []string) ([]byte, error) {
	type member struct {
		name string
		text []byte
	}
	var members []member
	folded := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		text, err := value(nil, d, depth+1, nil)
		if err != nil {
			return nil, err
		}
		if folded[fold(name)] {
			return nil, errTwice
		}
		folded[fold(name)] = true
		if !slices.Contains(without, name) {
			members = append(members, member{name, text})
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	out = append(out, '{')
	for _, m := range members {
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		out = append(append(append(append(out, name...), ':'), m.text...), ',')
	}
	return append(out, '}'), nil
}

// fold returns the same text for names that encoding/json takes for one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

// textOf returns a request as the approver sees it: "" for kinds of requests
// that may hold a secret, and for forms that nobody reads.
func textOf(call *key.Call, action key.Action) string {
	if !shown(action) || !shown(call.Asked.Action) {
		return ""
	}
	body := call.Asked.Body
	switch {
	case len(body) > maxText:
		return fmt.Sprintf("(%d bytes, too long to be kept)", len(body))
	case !utf8.Valid(body):
		return fmt.Sprintf("(%d bytes that are no text)", len(body))
	}
	return string(body)
}

// shown reports whether requests for an action hold no secret: what is asked of
// them is seen by whoever may see requests for approval.
func shown(action key.Action) bool {
	switch action { //nolint:exhaustive // a new action's requests are not shown until somebody has looked
	case key.ScheduleKeyDeletion, key.CancelKeyDeletion, key.DisableKey, key.EnableKey, key.PutKeyPolicy, key.UpdateKeyDescription,
		key.EnableKeyRotation, key.DisableKeyRotation, key.RotateKeyOnDemand, key.CreateGrant, key.ExportKey, key.DeleteKeyMaterial,
		key.CreateAlias, key.UpdateAlias, key.DeleteAlias, key.TagResource, key.UntagResource,
		key.DeleteKeyStore, key.DisconnectKeyStore, key.DeleteCluster, key.DeleteHSM, key.DeleteBackup, key.PutClusterPolicy, key.DeleteClusterPolicy,
		key.CreateAuthority, key.UpdateAuthority, key.DeleteAuthority, key.RestoreAuthority, key.IssueCertificate, key.RevokeCertificate,
		key.ImportAuthorityCertificate, key.RenewAuthority, key.RekeyAuthority, key.PutAuthorityPolicy, key.DeleteAuthorityPolicy,
		key.CreatePermission, key.DeletePermission, key.PutProfile, key.DeleteProfile,
		key.RequestManaged, key.RenewManaged, key.RevokeManaged, key.DeleteManaged, key.UpdateManaged, key.PutManagedSettings,
		key.CreateUser, key.DeleteUser, key.PutUserPolicy, key.DeleteUserPolicy, key.CreateAccessKey, key.UpdateAccessKey, key.DeleteAccessKey,
		key.CreateRole, key.DeleteRole, key.PutRolePolicy, key.DeleteRolePolicy, key.PutTrustPolicy, key.UpdateRole,
		key.CreateIssuer, key.UpdateIssuer, key.DeleteIssuer, key.PutClientCertificate, key.DeleteClientCertificate,
		key.DeleteSecret, key.RestoreSecret, key.PutSecretPolicy, key.DeleteSecretPolicy,
		key.InvokeFunction, key.DeleteTopic, key.CreateTrail, key.UpdateTrail, key.DeleteTrail, key.StopLogging, key.PutEventSelectors, key.DeleteAlarms, key.DisableAlarmActions:
		return true
	}
	return false
}
