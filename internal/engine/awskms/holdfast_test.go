package awskms_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The credential of every test, and where its keys are.
const (
	accessKey = "AKIAHOLDFASTTEST0001"
	secretKey = "a secret of the tests"
	region    = "eu-central-1"
)

// service is a key service that the tests run against.
type service struct {
	url   string
	roots *x509.CertPool
	// client reaches it by itself, past the engine and what is in front of it.
	client *kms.Client
	close  func() error
}

func newService(endpoint string, roots *x509.CertPool) *service {
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16}}
	s := &service{url: endpoint, roots: roots, close: func() error { return nil }}
	s.client = kms.New(kms.Options{
		Region: region, BaseEndpoint: &s.url, HTTPClient: web, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	return s
}

// holdfast is Holdfast's own server, in this process and in memory. All tests
// share it: their keys are in it side by side.
var holdfast = sync.OnceValues(startHoldfast)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range started {
		if err := s.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

// started are the services that TestMain ends.
var started []*service

func startHoldfast() (*service, error) {
	root, err := seal.Ephemeral()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "holdfast-awskms-")
	if err != nil {
		return nil, err
	}
	c := config.Default()
	c.Data, c.Listen = dir, "127.0.0.1:0"
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{
			Config: c, Root: root, Log: slog.New(slog.DiscardHandler),
			Dev:   &server.Dev{InMemory: true, Credentials: []server.DevCredential{{ID: accessKey, Secret: secretKey, Realm: key.DefaultRealm}}},
			Ready: func(url string) error { ready <- url; return nil },
		})
	}()
	end := func() error {
		stop()
		return errors.Join(<-ended, os.RemoveAll(dir))
	}
	var endpoint string
	select {
	case endpoint = <-ready:
	case err := <-ended:
		ended <- nil
		return nil, errors.Join(err, end())
	}
	pem, err := os.ReadFile(filepath.Join(dir, "tls", "ca.pem"))
	if err != nil {
		return nil, errors.Join(err, end())
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	s := newService(endpoint, roots)
	s.close = end
	started = append(started, s)
	return s, nil
}

// running returns a service that was started once.
func running(t *testing.T, start func() (*service, error)) *service {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// options are those of an engine over a service.
func (s *service) options(name string) awskms.Options {
	return awskms.Options{
		Settings: remote.Settings{Name: name, Timeout: time.Minute, Attempt: 30 * time.Second, Log: slog.New(slog.DiscardHandler)},
		Region:   region, Endpoint: s.url, CA: s.roots, Credentials: &awskms.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey},
		ImportUnder: alg.RSA2048, // which is made anew for each import
	}
}

func newEngine(t *testing.T, o awskms.Options) *awskms.Engine {
	t.Helper()
	e, err := awskms.New(t.Context(), enginetest.Box{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// adopt makes a key by other means than the engine's.
func (s *service) adopt(t *testing.T, spec alg.Spec) string {
	t.Helper()
	out, err := s.client.CreateKey(t.Context(), &kms.CreateKeyInput{
		KeySpec: types.KeySpec(wire.SpecName(spec)), KeyUsage: types.KeyUsageType(wire.UsageName(enginetest.KindOf(spec).Usage)),
		Description: aws.String("somebody's"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// keys counts the keys that are not deleted.
func (s *service) keys(ctx context.Context) (int, error) {
	n := 0
	for pages := kms.NewListKeysPaginator(s.client, &kms.ListKeysInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		for _, k := range page.Keys {
			out, err := s.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: k.KeyArn})
			if err != nil {
				return 0, err
			}
			if out.KeyMetadata.KeyState != types.KeyStatePendingDeletion {
				n++
			}
		}
	}
	return n, nil
}

// TestHoldfast runs the contract against Holdfast's own server. The larger RSA
// keys, which take their time, are in TestMoto and TestLargest.
func TestHoldfast(t *testing.T) {
	s := running(t, holdfast)
	o := s.options("aws")
	o.Without = []alg.Spec{alg.RSA3072, alg.RSA4096}
	c := contract(s, newEngine(t, o))
	c.Unsupported = o.Without
	enginetest.Test(t, c)
}

// TestLargest imports the key that needs the most room.
func TestLargest(t *testing.T) {
	t.Parallel()
	s, name := running(t, holdfast).apart()
	o := s.options("aws")
	o.Region = name
	e := newEngine(t, o)
	m, err := e.Import(t.Context(), version(1), engine.Kind{Spec: alg.RSA4096, Usage: alg.SignVerify}, enginetest.NewPlain(t, alg.RSA4096))
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), version(1), alg.RSA4096, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePublic(alg.RSA4096, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Rehearse(k.Signer, public); err != nil {
		t.Error(err)
	}
}

// contract is what an engine over AWS KMS has and what it lacks.
func contract(s *service, e engine.Engine) enginetest.Config {
	return enginetest.Config{
		New:       func(*testing.T) engine.Engine { return e },
		Without:   []alg.Usage{alg.KeyTransfer},
		NoFurther: true,
		Restricts: true,
		NoExport:  alg.Specs(),
		NoUnwrap:  alg.Specs(), NoWrapExport: alg.Specs(),
		Varies: true, Bound: true, NoEmpty: true,
		Adopt: func(t *testing.T, _ engine.Engine, spec alg.Spec) string { return s.adopt(t, spec) },
	}
}
