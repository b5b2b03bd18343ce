package awskms_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
)

// asked is a request as a service saw it.
type asked struct {
	operation string
	accessKey string // of the signature
	region    string
	token     string // of the session
	body      map[string]any
}

// answer is what a canned service says: an error's code, or a body.
type answer struct {
	code string
	body map[string]any
}

// canned starts a service that says what it is told to.
func canned(t *testing.T, say func(asked) answer) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		q := asked{operation: operation, token: r.Header.Get("X-Amz-Security-Token"), body: map[string]any{}}
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		parts := strings.Split(scope, "/") // id, date, region, service
		if len(parts) > 3 {
			q.accessKey, q.region = parts[0], parts[2]
		}
		if err := json.Unmarshal(text, &q.body); err != nil {
			t.Error(err)
		}
		a := say(q)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if a.code != "" {
			w.WriteHeader(http.StatusBadRequest)
			a.body = map[string]any{"__type": a.code, "message": "as the test wants it"}
		}
		if err := json.NewEncoder(w).Encode(a.body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// over returns the options of an engine over a canned service.
func over(s *httptest.Server) awskms.Options {
	o := awskms.Options{
		Settings: remotetest.Settings("canned"), Region: region, Endpoint: s.URL,
		Credentials: &awskms.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey},
	}
	o.Log = quiet()
	return o
}
