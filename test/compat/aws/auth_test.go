package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// forgery is a row: how a correctly signed ListKeys is changed, and the codes
// that may answer it. None may be served.
type forgery struct {
	name   string
	change func(*http.Request, *target)
	codes  []string
}

const (
	mismatch   = "SignatureDoesNotMatch" // in the query protocols
	invalid    = "InvalidSignatureException"
	incomplete = "IncompleteSignatureException"
	missing    = "MissingAuthenticationTokenException"
	unknownKey = "UnrecognizedClientException"
)

var forgeries = []forgery{
	{"no signature", func(r *http.Request, _ *target) { r.Header.Del("Authorization") }, []string{missing}},
	{"empty signature", func(r *http.Request, _ *target) { r.Header.Set("Authorization", "") }, []string{missing, incomplete}},
	{"another scheme", func(r *http.Request, t *target) {
		r.SetBasicAuth(t.creds.AccessKeyID, t.creds.SecretAccessKey)
	}, []string{missing, incomplete, invalid}},
	{"one digit changed", func(r *http.Request, _ *target) {
		a := r.Header.Get("Authorization")
		last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(a, "0")]
		r.Header.Set("Authorization", a[:len(a)-1]+last)
	}, []string{invalid, mismatch}},
	{"signature cut short", func(r *http.Request, _ *target) {
		a := r.Header.Get("Authorization")
		r.Header.Set("Authorization", a[:len(a)-2])
	}, []string{invalid, incomplete, mismatch}},
	{"signature empty", authorization(func(a string) string { return a[:strings.LastIndex(a, "=")+1] }), []string{invalid, incomplete, mismatch}},
	{"body changed", func(r *http.Request, _ *target) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`{"Limit":2}`)), 11
	}, []string{invalid, mismatch}},
	{"another operation", func(r *http.Request, _ *target) { r.Header.Set("X-Amz-Target", "TrentService.ListAliases") }, []string{invalid, mismatch}},
	{"another path", func(r *http.Request, _ *target) { r.URL.Path = "/x" }, []string{invalid, mismatch, "UnknownOperationException"}},
	{"a query added", func(r *http.Request, _ *target) { r.URL.RawQuery = "a=b" }, []string{invalid, mismatch}},
	{"another region", authorization(replacing("/us-", "/eu-")), []string{invalid, mismatch}},
	{"another service", authorization(replacing("/kms/", "/sts/")), []string{invalid, mismatch}},
	{"another day", func(r *http.Request, _ *target) {
		day := r.Header.Get("X-Amz-Date")[:8]
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), day, "20200101", 1))
	}, []string{invalid, mismatch}},
	{"a date moved", func(r *http.Request, _ *target) {
		at := time.Now().UTC().Add(-2 * time.Second)
		r.Header.Set("X-Amz-Date", at.Format("20060102T150405Z"))
	}, []string{invalid, mismatch}},
	{"no date", func(r *http.Request, _ *target) { r.Header.Del("X-Amz-Date") }, []string{invalid, incomplete, mismatch, missing}},
	{"a date that is none", func(r *http.Request, _ *target) { r.Header.Set("X-Amz-Date", "yesterday") }, []string{invalid, incomplete, mismatch, missing}},
	{"the operation not signed", authorization(replacing(";x-amz-target", "")), []string{invalid, incomplete, mismatch}},
	{"the host not signed", authorization(replacing("host;", "")), []string{invalid, incomplete, mismatch}},
	{"a header signed that is absent", authorization(replacing("x-amz-date;", "x-amz-absent;x-amz-date;")), []string{invalid, incomplete, mismatch}},
	{"another algorithm", authorization(replacing("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")), []string{invalid, incomplete, missing, mismatch}},
	{"SigV4A", authorization(replacing("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")), []string{invalid, incomplete, missing, mismatch}},
	{"two signatures", func(r *http.Request, _ *target) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, []string{invalid, incomplete, mismatch}},
	{"a session token that nobody issued", func(r *http.Request, _ *target) {
		r.Header.Set("X-Amz-Security-Token", "FwoGZXIvYXdzEA")
	}, []string{invalid, unknownKey, mismatch, "InvalidClientTokenId"}},
}

func authorization(change func(string) string) func(*http.Request, *target) {
	return func(r *http.Request, _ *target) { r.Header.Set("Authorization", change(r.Header.Get("Authorization"))) }
}

func replacing(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}

func TestForgeries(t *testing.T) {
	tg, _ := setup(t)
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			req, err := tg.signed(t.Context(), tg.creds, "ListKeys", []byte(`{"Limit":1}`), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			f.change(req, tg)
			a := tg.send(t, req)
			if a.status < 400 || a.status >= 500 || !slices.Contains(f.codes, a.code) {
				t.Errorf("got %d %s, want one of %v", a.status, a.body, f.codes)
			}
		})
	}
}

// TestCredentials: who is not known, and what only looks like a credential.
func TestCredentials(t *testing.T) {
	tg, _ := setup(t)
	wrongSecret := tg.creds
	wrongSecret.SecretAccessKey += "x"
	for name, row := range map[string]struct {
		creds aws.Credentials
		code  string
	}{
		"unknown key":  {aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}, unknownKey},
		"wrong secret": {wrongSecret, invalid},
	} {
		_, err := tg.kms(row.creds).ListKeys(t.Context(), &kms.ListKeysInput{})
		if code(err) != row.code {
			t.Errorf("%s: %v, want %s", name, err, row.code)
		}
		if _, err := sts.New(tg.stsOptions(row.creds)).GetCallerIdentity(t.Context(), nil); err == nil {
			t.Errorf("%s: GetCallerIdentity answers", name)
		}
	}
}

// TestClockSkew: a signature is good for five minutes either way.
func TestClockSkew(t *testing.T) {
	tg, _ := setup(t)
	for skew, good := range map[time.Duration]bool{
		-6 * time.Minute: false, -4 * time.Minute: true, 0: true, 4 * time.Minute: true, 6 * time.Minute: false, 24 * time.Hour: false,
	} {
		req, err := tg.signed(t.Context(), tg.creds, "ListKeys", []byte(`{}`), time.Now().Add(skew))
		if err != nil {
			t.Fatal(err)
		}
		a := tg.send(t, req)
		if good && a.status != http.StatusOK || !good && a.code != invalid && a.code != mismatch {
			t.Errorf("%v off: %d %s", skew, a.status, a.body)
		}
	}
}

// TestPresignedIsRefused: a URL that carries a signature is refused by name,
// not served and not taken for an unsigned call.
func TestPresignedIsRefused(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	body := `{}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tg.url+"/?X-Amz-Expires=60", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "TrentService.ListKeys")
	signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), tg.creds, req, payloadHash([]byte(body)), "kms", tg.region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if req.URL, err = url.Parse(signed); err != nil {
		t.Fatal(err)
	}
	req.Header = header
	req.Header.Set("X-Amz-Target", "TrentService.ListKeys")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	if a := tg.send(t, req); a.status < 400 || a.status >= 500 || !strings.Contains(strings.ToLower(string(a.body)), "presign") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestConcurrentClients: many clients at once, one key, nothing mixed up.
func TestConcurrentClients(t *testing.T) {
	_, c := setup(t)
	key := newKey(t, c, "", "").KeyId
	errs := make(chan error)
	const clients, calls = 8, 20
	for n := range clients {
		go func() {
			errs <- roundTrips(t.Context(), c, key, byte(n), calls)
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

var errMixed = errors.New("a plaintext of another client came back")

func roundTrips(ctx context.Context, c *kms.Client, key *string, mark byte, calls int) error {
	for i := range calls {
		plain := []byte{mark, byte(i)}
		out, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: key, Plaintext: plain})
		if err != nil {
			return err
		}
		back, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob})
		if err != nil {
			return err
		}
		if string(back.Plaintext) != string(plain) {
			return errMixed
		}
	}
	return nil
}
