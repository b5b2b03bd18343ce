package awstest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// jsonType is the Content-Type of a service's JSON.
func jsonType(s aws.Service) string {
	if s.JSON10 {
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

// Answered has an API answer a request as of a time, over a door whose
// listings go on, and returns what that door notes.
func Answered(t *testing.T, fake Fake, r *http.Request, at time.Time) (*httptest.ResponseRecorder, *Door) {
	t.Helper()
	service, d := fake(t)
	d.Next = "next"
	w := httptest.NewRecorder()
	serve(service, d, func() time.Time { return at }).ServeHTTP(w, r)
	return w, d
}
