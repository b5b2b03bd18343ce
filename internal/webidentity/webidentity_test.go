package webidentity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

const (
	at       = "https://oidc.example.com/id/1"
	audience = "sts.amazonaws.com"
)

// issuer signs tokens and publishes its keys.
type issuer struct {
	t       testing.TB
	keys    map[string]crypto.Signer // by their ids
	served  []any                    // more keys, as they are
	name    string                   // what its document says it is
	down    error
	fetches int
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return &issuer{t: t, name: at, keys: map[string]crypto.Signer{"rsa": small, "p256": p256, "p384": p384, "ed": ed}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (i *issuer) set() []byte {
	list := append([]any{}, i.served...)
	for id, k := range i.keys {
		list = append(list, jose.JSONWebKey{KeyID: id, Key: k.Public(), Use: "sig"})
	}
	text, err := json.Marshal(map[string]any{"keys": list})
	must(i.t, err)
	return text
}

func (i *issuer) Fetch(_ context.Context, from *webidentity.Registration, url string) ([]byte, error) {
	i.fetches++
	switch {
	case i.down != nil:
		return nil, i.down
	case url == from.URL+"/.well-known/openid-configuration":
		return json.Marshal(map[string]string{"issuer": i.name, "jwks_uri": "https://keys.example.com/keys"})
	case url == "https://keys.example.com/keys":
		return i.set(), nil
	}
	return nil, errors.New("not found: " + url)
}

// claims are those of a good token, with some changed; nil takes one away.
func claims(changed map[string]any) map[string]any {
	c := map[string]any{
		"iss": at, "sub": "system:serviceaccount:pki:signer", "aud": []string{audience}, "iat": time.Now().Unix(),
		"exp": time.Now().Add(time.Hour).Unix(), "nbf": time.Now().Unix(),
	}
	maps.Copy(c, changed)
	for name, v := range c {
		if v == nil {
			delete(c, name)
		}
	}
	return c
}

// sign makes a token by the key of an id.
func (i *issuer) sign(a jose.SignatureAlgorithm, id string, k any, payload any, header map[jose.HeaderKey]any) string {
	i.t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: header}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: jose.JSONWebKey{Key: k, KeyID: id}}, options)
	must(i.t, err)
	text, ok := payload.(string)
	if !ok {
		b, err := json.Marshal(payload)
		must(i.t, err)
		text = string(b)
	}
	signed, err := s.Sign([]byte(text))
	must(i.t, err)
	token, err := signed.CompactSerialize()
	must(i.t, err)
	return token
}

func (i *issuer) good(changed map[string]any) string {
	return i.sign(jose.ES256, "p256", i.keys["p256"], claims(changed), nil)
}

func (i *issuer) register(r webidentity.Registration) *webidentity.Issuer {
	i.t.Helper()
	r.URL = at
	if r.Audiences == nil {
		r.Audiences = []string{audience, "another"}
	}
	known, err := webidentity.New(r, i, false)
	must(i.t, err)
	return known
}

// verify parses and verifies, as whoever gets a token does.
func verify(t testing.TB, known *webidentity.Issuer, text string) (*webidentity.Claims, error) {
	t.Helper()
	token, err := webidentity.Parse(text)
	if err != nil {
		return nil, err
	}
	return known.Verify(t.Context(), token, time.Now())
}

func TestAlgorithms(t *testing.T) {
	i := newIssuer(t)
	known := i.register(webidentity.Registration{})
	for _, c := range []struct {
		algorithm jose.SignatureAlgorithm
		id        string
	}{
		{jose.RS256, "rsa"},
		{jose.RS384, "rsa"},
		{jose.RS512, "rsa"},
		{jose.PS256, "rsa"},
		{jose.PS512, "rsa"},
		{jose.ES256, "p256"},
		{jose.ES384, "p384"},
		{jose.EdDSA, "ed"},
	} {
		got, err := verify(t, known, i.sign(c.algorithm, c.id, i.keys[c.id], claims(nil), nil))
		if err != nil || got.Subject != "system:serviceaccount:pki:signer" || !cmp.Equal(got.Audiences, []string{audience}) {
			t.Errorf("%s: %+v, %v", c.algorithm, got, err)
		}
	}
	if i.fetches != 2 {
		t.Errorf("the issuer was asked %d times, want once for each document", i.fetches)
	}
}

// TestRefusedTokens has every way in which a token is not one.
func TestRefusedTokens(t *testing.T) {
	i := newIssuer(t)
	other := newIssuer(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	i.served = []any{
		jose.JSONWebKey{KeyID: "weak", Key: &weak.PublicKey},
		jose.JSONWebKey{KeyID: "secret", Key: []byte("0123456789abcdef0123456789abcdef")},
		jose.JSONWebKey{KeyID: "ps", Key: i.keys["rsa"].Public(), Algorithm: "PS256"},
		jose.JSONWebKey{KeyID: "enc", Key: i.keys["rsa"].Public(), Use: "enc"},
		"nonsense",
	}
	known := i.register(webidentity.Registration{})
	public, err := json.Marshal(jose.JSONWebKey{Key: i.keys["rsa"].Public(), KeyID: "rsa"})
	must(t, err)
	good := i.good(nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	const bad = fault.InvalidIdentityToken
	for name, c := range map[string]struct {
		token string
		want  fault.Reason
	}{
		"nothing":                       {"", bad},
		"a word":                        {"token", bad},
		"too long":                      {good + strings.Repeat("A", webidentity.MaxToken), bad},
		"alg none":                      {none + "." + payload + ".", bad},
		"alg none with a signature":     {none + "." + payload + "." + signature, bad},
		"no signature":                  {head + "." + payload + ".", bad},
		"another payload":               {head + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+at+`","sub":"root"}`)) + "." + signature, bad},
		"HS256 by the public key":       {i.sign(jose.HS256, "rsa", public, claims(nil), nil), bad},
		"HS256 by a served secret":      {i.sign(jose.HS256, "secret", []byte("0123456789abcdef0123456789abcdef"), claims(nil), nil), bad},
		"another issuer's key":          {other.good(nil), bad},
		"another issuer's key, no id":   {i.sign(jose.ES256, "", other.keys["p256"], claims(nil), nil), bad},
		"a key in the header":           {i.sign(jose.ES256, "", other.keys["p256"], claims(nil), map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: other.keys["p256"].Public()}}), bad},
		"an unknown key":                {i.sign(jose.ES256, "p257", i.keys["p256"], claims(nil), nil), bad},
		"a weak key":                    {i.sign(jose.RS256, "weak", weak, claims(nil), nil), bad},
		"a key for another algorithm":   {i.sign(jose.RS256, "ps", i.keys["rsa"], claims(nil), nil), bad},
		"a key for encryption":          {i.sign(jose.RS256, "enc", i.keys["rsa"], claims(nil), nil), bad},
		"an access token":               {i.sign(jose.ES256, "p256", i.keys["p256"], claims(nil), map[jose.HeaderKey]any{"typ": "at+jwt"}), bad},
		"an extension that is critical": {i.sign(jose.ES256, "p256", i.keys["p256"], claims(nil), map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}), bad},
		"another issuer":                {i.good(map[string]any{"iss": at + "/"}), bad},
		"no issuer":                     {i.good(map[string]any{"iss": nil}), bad},
		"the issuer twice":              {i.sign(jose.ES256, "p256", i.keys["p256"], `{"iss":"`+at+`","iss":"`+at+`"}`, nil), bad},
		"the issuer in capitals":        {i.sign(jose.ES256, "p256", i.keys["p256"], `{"ISS":"`+at+`"}`, nil), bad},
		"no claims":                     {i.sign(jose.ES256, "p256", i.keys["p256"], `[]`, nil), bad},
		"no subject":                    {i.good(map[string]any{"sub": nil}), bad},
		"a long subject":                {i.good(map[string]any{"sub": strings.Repeat("s", 256)}), bad},
		"another audience":              {i.good(map[string]any{"aud": "vault"}), bad},
		"no audience":                   {i.good(map[string]any{"aud": nil}), bad},
		"another authorised party":      {i.good(map[string]any{"azp": "evil"}), bad},
		"no end":                        {i.good(map[string]any{"exp": nil}), bad},
		"no beginning":                  {i.good(map[string]any{"iat": nil}), bad},
		"a tag of two values":           {i.good(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"1", "2"}}}}), bad},
		"expired":                       {i.good(map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()}), fault.ExpiredIdentityToken},
		"issued later":                  {i.good(map[string]any{"iat": time.Now().Add(2 * time.Minute).Unix()}), fault.RejectedIdentityToken},
		"valid later":                   {i.good(map[string]any{"nbf": time.Now().Add(2 * time.Minute).Unix()}), fault.RejectedIdentityToken},
	} {
		got, err := verify(t, known, c.token)
		if got != nil || fault.KindOf(err) != fault.Unauthenticated || fault.ReasonOf(err) != c.want {
			t.Errorf("%s: %+v, %v (reason %d)", name, got, err, fault.ReasonOf(err))
		}
	}
	for name, token := range map[string]string{
		"the clock is a little off": i.good(map[string]any{"exp": time.Now().Add(-30 * time.Second).Unix(), "nbf": time.Now().Add(30 * time.Second).Unix()}),
		"no key id":                 i.sign(jose.EdDSA, "", i.keys["ed"], claims(nil), nil),
		"one audience of several":   i.good(map[string]any{"aud": []string{"x", audience}}),
		"no beginning of validity":  i.good(map[string]any{"nbf": nil}),
		"the type JWT":              i.sign(jose.ES256, "p256", i.keys["p256"], claims(nil), map[jose.HeaderKey]any{"typ": "jwt"}),
	} {
		if _, err := verify(t, known, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClaims(t *testing.T) {
	i := newIssuer(t)
	known := i.register(webidentity.Registration{Audiences: []string{"app", audience}})
	got, err := verify(t, known, i.good(map[string]any{
		"azp": "app", "amr": []string{"pwd", "otp"}, "https://aws.amazon.com/source_identity": "alice",
		"https://aws.amazon.com/tags": map[string]any{
			"principal_tags": map[string]any{"team": []string{"blue"}, "cost": []string{"1"}}, "transitive_tag_keys": []string{"cost"},
		},
	}))
	must(t, err)
	want := &webidentity.Claims{
		Subject: "system:serviceaccount:pki:signer", Audiences: []string{"app"}, Original: []string{audience},
		Methods: []string{"pwd", "otp"}, Expires: got.Expires, Tags: []key.Tag{{Key: "cost", Value: "1"}, {Key: "team", Value: "blue"}},
		Transitive: []string{"cost"}, SourceIdentity: "alice",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	got, err = verify(t, known, i.good(map[string]any{"aud": []string{"evil", audience, "app"}}))
	if must(t, err); !cmp.Equal(got.Audiences, []string{"app", audience}) {
		t.Errorf("of the audiences %q count: only those that are registered may", got.Audiences)
	}
}

// TestKeysChange follows an issuer's keys: what is new is found, but not asked
// for at every stranger's wish; what is there is used while the issuer is down.
func TestKeysChange(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		i.t = t
		known := i.register(webidentity.Registration{})
		good := func() error { _, err := verify(t, known, i.good(nil)); return err }
		asked := func(want int, err error, reason fault.Reason) {
			t.Helper()
			if i.fetches != want || fault.ReasonOf(err) != reason {
				t.Errorf("asked %d times, want %d; %v", i.fetches, want, err)
			}
		}
		i.down = errors.New("connection refused")
		asked(1, good(), fault.IssuerUnreachable)
		asked(1, good(), fault.IssuerUnreachable) // not again so soon
		i.down = nil
		asked(1, good(), fault.IssuerUnreachable)
		time.Sleep(31 * time.Second)
		asked(3, good(), fault.Unspecified)
		_, next, err := ed25519.GenerateKey(rand.Reader)
		must(t, err)
		i.keys["next"] = next
		fresh := func() error {
			_, err := verify(t, known, i.sign(jose.EdDSA, "next", next, claims(nil), nil))
			return err
		}
		asked(3, fresh(), fault.InvalidIdentityToken)
		time.Sleep(31 * time.Second)
		asked(5, fresh(), fault.Unspecified)
		old := i.keys["p256"]
		delete(i.keys, "p256") // taken back
		time.Sleep(time.Hour)
		asked(7, fresh(), fault.Unspecified)
		_, err = verify(t, known, i.sign(jose.ES256, "p256", old, claims(nil), nil))
		asked(7, err, fault.InvalidIdentityToken)
		i.down = errors.New("connection refused")
		time.Sleep(2 * time.Hour)
		asked(8, fresh(), fault.Unspecified) // by the keys that are known
		time.Sleep(22 * time.Hour)
		asked(9, fresh(), fault.IssuerUnreachable) // which are too old now
		i.down, i.name = nil, "https://evil.example.com"
		time.Sleep(time.Minute)
		asked(10, fresh(), fault.IssuerUnreachable)
	})
}

func TestPinnedKeys(t *testing.T) {
	i := newIssuer(t)
	known := i.register(webidentity.Registration{Keys: string(i.set())})
	if _, err := verify(t, known, i.good(nil)); err != nil {
		t.Error(err)
	}
	i.keys = newIssuer(t).keys
	if _, err := verify(t, known, i.good(nil)); fault.ReasonOf(err) != fault.InvalidIdentityToken || i.fetches != 0 {
		t.Errorf("another key: %v, asked %d times", err, i.fetches)
	}
}

func TestRegistrations(t *testing.T) {
	i := newIssuer(t)
	private, err := json.Marshal(map[string]any{"keys": []any{jose.JSONWebKey{Key: i.keys["ed"]}}})
	must(t, err)
	for name, r := range map[string]webidentity.Registration{
		"http":                   {URL: "http://oidc.example.com"},
		"http here":              {URL: "http://127.0.0.1:1"},
		"no host":                {URL: "https:///x"},
		"a query":                {URL: at + "?x"},
		"a fragment":             {URL: at + "#x"},
		"a password":             {URL: "https://u:p@oidc.example.com"},
		"a wildcard":             {URL: "https://*.example.com"},
		"another scheme":         {URL: "file:///etc/passwd"},
		"too long":               {URL: at + strings.Repeat("x", 255)},
		"no audience":            {URL: at, Audiences: []string{}},
		"an audience twice":      {URL: at, Audiences: []string{"a", "a"}},
		"an empty audience":      {URL: at, Audiences: []string{""}},
		"no certificates":        {URL: at, Trust: webidentity.Trust{CA: "x"}},
		"a short thumbprint":     {URL: at, Trust: webidentity.Trust{Thumbprints: []string{"aa"}}},
		"thumbprint in capitals": {URL: at, Trust: webidentity.Trust{Thumbprints: []string{strings.Repeat("AB", 20)}}},
		"private keys":           {URL: at, Keys: string(private)},
		"no keys":                {URL: at, Keys: `{"keys":[]}`},
		"no set":                 {URL: at, Keys: `[]`},
	} {
		if r.Audiences == nil {
			r.Audiences = []string{audience}
		}
		if _, err := webidentity.New(r, i, false); err == nil {
			t.Errorf("%s is an issuer", name)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/x", "http://[::1]:8080", "http://localhost"} {
		if err := webidentity.CheckURL(url, true); err != nil {
			t.Errorf("%s, for developers: %v", url, err)
		}
	}
	if err := webidentity.CheckURL("http://127.0.0.1.example.com", true); err == nil {
		t.Error("another host's name passes for this machine")
	}
}

// FuzzParse holds that nothing but what signs with a public key is a token, and
// that no token verifies that the issuer did not sign.
func FuzzParse(f *testing.F) {
	i := newIssuer(f)
	known := i.register(webidentity.Registration{Keys: string(i.set())})
	good := i.good(nil)
	want, err := verify(f, known, good)
	must(f, err)
	f.Add(good)
	f.Add(good[:len(good)-4])
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS5jb20vaWQvMSJ9.")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := webidentity.Parse(text)
		if err != nil {
			if token != nil || fault.ReasonOf(err) != fault.InvalidIdentityToken {
				t.Errorf("%v, %v", token, err)
			}
			return
		}
		if token.Issuer == "" || len(token.Issuer) > webidentity.MaxURL {
			t.Errorf("its issuer is %q", token.Issuer)
		}
		got, err := known.Verify(t.Context(), token, time.Now())
		if err == nil && !cmp.Equal(got, want) {
			t.Errorf("%q verifies, and says %+v", text, got)
		}
	})
}
