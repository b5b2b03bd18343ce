package awskms_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
)

// regions numbers the regions of tests: each has keys of its own.
var regions atomic.Int64

// apart returns the service in a region that no other test uses.
func (s *service) apart() (*service, string) {
	name := fmt.Sprintf("test-region-%d", regions.Add(1))
	there := newService(s.url, s.roots)
	o := s.client.Options()
	o.Region = name
	there.client = kms.New(o)
	return there, name
}

// faulty returns an engine with short times over a service without keys, and
// what is in front of it.
func (s *service) faulty(t *testing.T, change func(*awskms.Options)) (*awskms.Engine, *remotetest.Faulty) {
	t.Helper()
	there, name := s.apart()
	f, front := there.proxy(t)
	f.Count = func() int {
		n, err := there.keys(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Error(err)
		}
		return n
	}
	o := s.options("aws")
	log := o.Log
	o.Settings = remotetest.Settings("aws")
	o.Region, o.Endpoint, o.CA, o.Log = name, front, nil, log
	if change != nil {
		change(&o)
	}
	return newEngine(t, o), f
}

// proxy puts a server that misbehaves to order in front of a service.
func (s *service) proxy(t *testing.T) (*remotetest.Faulty, string) {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	next := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }, // which is signed
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16},
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	f := &remotetest.Faulty{Next: next, Answer: answerFault}
	front := httptest.NewServer(f)
	t.Cleanup(front.Close)
	return f, front.URL
}

// answerFault answers what AWS KMS does where it fails.
func answerFault(w http.ResponseWriter, _ *http.Request, f remotetest.Fault) {
	status, code, text := http.StatusBadRequest, "ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
	switch f { //nolint:exhaustive // the others are no answers
	case remotetest.Fail:
		status, code, text = http.StatusInternalServerError, "KMSInternalException", ""
	case remotetest.Expire:
		code, text = "ExpiredTokenException", "The security token included in the request is expired"
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, text)
}

// TestFaults has the service fail in every way.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := running(t, holdfast)
	remotetest.Test(t, remotetest.Config{
		New: func(t *testing.T) (engine.Engine, remotetest.Service) {
			e, f := s.faulty(t, nil)
			return e, f
		},
		Spec: alg.P256, Expires: true,
	})
}
