package awskms_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// bare takes from a test's environment what would say who it is.
func bare(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
}

// TestOptions says which options cannot work.
func TestOptions(t *testing.T) {
	bare(t)
	role := "arn:aws:iam::123456789012:role/kms"
	for name, tt := range map[string]struct {
		change func(*awskms.Options)
		works  bool
	}{
		"as they are":                  {func(*awskms.Options) {}, true},
		"https":                        {func(o *awskms.Options) { o.Endpoint = "https://kms.example.com" }, true},
		"http, on this machine":        {func(o *awskms.Options) { o.Endpoint = "http://localhost:8080" }, true},
		"http, on this machine by IP":  {func(o *awskms.Options) { o.Endpoint = "http://[::1]:8080" }, true},
		"http":                         {func(o *awskms.Options) { o.Endpoint = "http://kms.example.com" }, false},
		"http for STS":                 {func(o *awskms.Options) { o.STSEndpoint = "http://sts.example.com" }, false},
		"another scheme":               {func(o *awskms.Options) { o.Endpoint = "ftp://kms.example.com" }, false},
		"no URL":                       {func(o *awskms.Options) { o.Endpoint = "kms.example.com" }, false},
		"a user in the URL":            {func(o *awskms.Options) { o.Endpoint = "https://me@kms.example.com" }, false},
		"no region":                    {func(o *awskms.Options) { o.Region = "" }, false},
		"a profile that is not there":  {func(o *awskms.Options) { o.Profile = "missing" }, false},
		"30 days":                      {func(o *awskms.Options) { o.DeletionDays = 30 }, true},
		"6 days":                       {func(o *awskms.Options) { o.DeletionDays = 6 }, false},
		"31 days":                      {func(o *awskms.Options) { o.DeletionDays = 31 }, false},
		"import under EC":              {func(o *awskms.Options) { o.ImportUnder = alg.P256 }, false},
		"a role":                       {func(o *awskms.Options) { o.Role, o.ExternalID = role, "id" }, true},
		"an id of no role":             {func(o *awskms.Options) { o.ExternalID = "id" }, false},
		"a web identity":               {func(o *awskms.Options) { o.Role, o.WebIdentityTokenFile = role, "token" }, true},
		"a web identity of no role":    {func(o *awskms.Options) { o.WebIdentityTokenFile = "token" }, false},
		"a web identity's external id": {func(o *awskms.Options) { o.Role, o.WebIdentityTokenFile, o.ExternalID = role, "token", "id" }, false},
	} {
		o := awskms.Options{Region: region}
		tt.change(&o)
		_, err := awskms.New(t.Context(), enginetest.Box{}, o)
		if (err == nil) != tt.works || err != nil && fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := awskms.New(t.Context(), nil, awskms.Options{Region: region}); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("no wrapper: %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://kms.example.com")
	if _, err := awskms.New(t.Context(), enginetest.Box{}, awskms.Options{Region: region}); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("http in the environment: %v", err)
	}
}

// TestEngineItself says what an engine says of itself.
func TestEngineItself(t *testing.T) {
	bare(t)
	e := newEngine(t, awskms.Options{Region: region})
	if e.Name() != "awskms" || e.Protection() != key.HSM {
		t.Errorf("it is %q, with %v", e.Name(), e.Protection())
	}
	if h := e.Health(); h.State != remote.StateOK || h.Calls != 0 {
		t.Errorf("it was asked for nothing, and is %+v", h)
	}
	c := &awskms.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: "session"}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%#v", c), fmt.Sprintf("%+v", awskms.Options{Credentials: c}), string(text)} {
		if strings.Contains(shown, secretKey) || strings.Contains(shown, "session\"") {
			t.Errorf("the credentials are shown: %s", shown)
		}
	}
}

// sts is a token service: it gives out credentials that are good for an hour.
type sts struct {
	*httptest.Server
	calls []string
	fail  bool
}

func newSTS(t *testing.T) *sts {
	t.Helper()
	s := &sts{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		action := r.Form.Get("Action")
		call := []string{action}
		for _, name := range []string{"RoleArn", "RoleSessionName", "ExternalId", "WebIdentityToken"} {
			if v := r.Form.Get(name); v != "" {
				call = append(call, name+"="+v)
			}
		}
		s.calls = append(s.calls, strings.Join(call, " "))
		w.Header().Set("Content-Type", "text/xml")
		if s.fail {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`<ErrorResponse><Error><Code>AccessDenied</Code><Message>not this role</Message></Error></ErrorResponse>`))
			return
		}
		_, _ = fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>ASIA%[2]d</AccessKeyId>`+
			`<SecretAccessKey>s</SecretAccessKey><SessionToken>token %[2]d</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
			action, len(s.calls), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(s.Close)
	return s
}

// TestCredentials says whose credentials sign the requests, whichever way the
// engine is told, and that such as have expired are renewed.
func TestCredentials(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/kms"
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := write("credentials", "[default]\naws_access_key_id=AKIDDEFAULT\naws_secret_access_key=s\n[other]\naws_access_key_id=AKIDOTHER\naws_secret_access_key=s\n")
	token := write("token", "an OpenID Connect token")
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":"ASIACONTAINER","SecretAccessKey":"s","Token":"t","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(container.Close)
	for _, tt := range []struct {
		name   string
		env    map[string]string
		change func(*awskms.Options)
		want   []string // the keys that sign two requests, the first of which is told that its own has expired
		sts    []string
	}{
		{
			name: "fixed", change: func(o *awskms.Options) {
				o.Credentials = &awskms.Credentials{AccessKeyID: "AKIDFIXED", SecretAccessKey: "s"}
			},
			want: []string{"AKIDFIXED", "AKIDFIXED"},
		},
		{
			name: "environment", env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s"},
			want: []string{"AKIDENV", "AKIDENV"},
		},
		{
			name: "shared files", env: map[string]string{"AWS_SHARED_CREDENTIALS_FILE": files},
			want: []string{"AKIDDEFAULT", "AKIDDEFAULT"},
		},
		{
			name: "a profile", env: map[string]string{"AWS_SHARED_CREDENTIALS_FILE": files}, change: func(o *awskms.Options) { o.Profile = "other" },
			want: []string{"AKIDOTHER", "AKIDOTHER"},
		},
		{
			name: "a container's role", env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.URL},
			want: []string{"ASIACONTAINER", "ASIACONTAINER"},
		},
		{
			name: "a role", env: map[string]string{"AWS_SHARED_CREDENTIALS_FILE": files},
			change: func(o *awskms.Options) { o.Role, o.ExternalID, o.Session = role, "their id", "one" },
			want:   []string{"ASIA1", "ASIA2"},
			sts: []string{
				"AssumeRole RoleArn=" + role + " RoleSessionName=one ExternalId=their id",
				"AssumeRole RoleArn=" + role + " RoleSessionName=one ExternalId=their id",
			},
		},
		{
			name: "a web identity", change: func(o *awskms.Options) { o.Role, o.WebIdentityTokenFile = role, token },
			want: []string{"ASIA1", "ASIA2"},
			sts: []string{
				"AssumeRoleWithWebIdentity RoleArn=" + role + " RoleSessionName=holdfast WebIdentityToken=an OpenID Connect token",
				"AssumeRoleWithWebIdentity RoleArn=" + role + " RoleSessionName=holdfast WebIdentityToken=an OpenID Connect token",
			},
		},
		{
			name: "a service account's role", env: map[string]string{
				"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": "pod", "AWS_ENDPOINT_URL_STS": "STS",
			},
			want: []string{"ASIA1", "ASIA2"},
			sts: []string{
				"AssumeRoleWithWebIdentity RoleArn=" + role + " RoleSessionName=pod WebIdentityToken=an OpenID Connect token",
				"AssumeRoleWithWebIdentity RoleArn=" + role + " RoleSessionName=pod WebIdentityToken=an OpenID Connect token",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bare(t)
			tokens := newSTS(t)
			for name, value := range tt.env {
				if value == "STS" {
					value = tokens.URL
				}
				t.Setenv(name, value)
			}
			var got []string
			s := canned(t, func(q asked) answer {
				if got = append(got, q.accessKey); len(got) == 1 {
					return answer{code: "ExpiredTokenException"}
				}
				if strings.HasPrefix(q.accessKey, "ASIA") == (q.token == "") {
					t.Errorf("%s has the session %q", q.accessKey, q.token)
				}
				return answer{body: map[string]any{"Plaintext": "AAECAw=="}}
			})
			o := over(s)
			o.Credentials, o.STSEndpoint = nil, tokens.URL
			if tt.change != nil {
				tt.change(&o)
			}
			e := newEngine(t, o)
			if err := e.Random(t.Context(), make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("who signs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.sts, tokens.calls); diff != "" {
				t.Errorf("what STS was asked (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoCredentials says what happens without any, and with a role that is
// refused: the caller is told that the service cannot be used, the operator why.
func TestNoCredentials(t *testing.T) {
	for name, role := range map[string]string{"none": "", "a role that is refused": "arn:aws:iam::123456789012:role/kms"} {
		t.Run(name, func(t *testing.T) {
			bare(t)
			tokens := newSTS(t)
			tokens.fail = true
			s := canned(t, func(asked) answer {
				t.Error("the service was asked")
				return answer{}
			})
			o := over(s)
			o.STSEndpoint, o.Role = tokens.URL, role
			if role == "" {
				o.Credentials = nil
			}
			e := newEngine(t, o)
			err := e.Random(t.Context(), make([]byte, 4))
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("%v", err)
			}
			if h := e.Health(); h.State != remote.StateRefusing || h.Err == nil {
				t.Errorf("the health is %+v", h)
			}
		})
	}
}
