package crash

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/holdfast-kms/holdfast/test/compat"
)

const (
	defaultRounds = 25
	workers       = 6
	// A round's load lasts between these two, so that the kill falls into the
	// first writes of a fresh server as well as into steady work.
	shortest = 5 * time.Millisecond
	longest  = 250 * time.Millisecond
)

func TestCrash(t *testing.T) {
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("HOLDFAST_CRASH_ROUNDS"), strconv.Itoa(defaultRounds)))
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("HOLDFAST_CRASH_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HOLDFAST_CRASH_SEED=%d repeats the choices, if not the timing", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	binary, err := compat.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(workers, random)
	data := filepath.Join(dir, "data")
	for round := range rounds {
		loaded(t, m, binary, data, shortest+time.Duration(random.Int64N(int64(longest-shortest))))
		if t.Failed() {
			t.Fatalf("after %d kills", round)
		}
	}
	server := start(t, binary, data)
	m.check(t, client(t, server))
	m.checkAudit(t, server)
	if err := server.Stop(); err != nil {
		t.Errorf("stopping after %d kills: %v\n%s", rounds, err, server.Log())
	}
	if m.acknowledged() < rounds {
		t.Errorf("only %d calls were acknowledged in %d rounds: the test tests nothing", m.acknowledged(), rounds)
	}
	_, _ = fmt.Fprintf(os.Stdout, "crash: killed %d times, %d calls acknowledged, %d keys, %d ciphertexts\n", rounds, m.acknowledged(), m.keyCount(), m.blobCount())
}

// loaded starts the server, checks the model, and kills the server after d of
// load.
func loaded(t *testing.T, m *model, binary, data string, d time.Duration) {
	t.Helper()
	server := start(t, binary, data)
	c := client(t, server)
	m.check(t, c)
	m.checkAudit(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, w := range m.workers {
		wg.Go(func() { w.work(ctx, c) })
	}
	time.Sleep(d)
	server.Kill()
	cancel()
	wg.Wait()
	for _, w := range m.workers {
		for _, err := range w.wrong {
			t.Error(err)
		}
		w.wrong = nil
	}
}

func start(t *testing.T, binary, data string) *compat.Server {
	t.Helper()
	s, err := compat.Start(t.Context(), binary, data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill) // nothing is left behind when the test ends early
	return s
}

// client returns a client that does not retry: what it says failed has
// failed, or was cut off by the kill.
func client(t *testing.T, s *compat.Server) *kms.Client {
	t.Helper()
	hc, err := compat.Trusting(compat.Lookup(s.Env, "AWS_CA_BUNDLE"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hc.CloseIdleConnections)
	creds := aws.Credentials{
		AccessKeyID: compat.Lookup(s.Env, "AWS_ACCESS_KEY_ID"), SecretAccessKey: compat.Lookup(s.Env, "AWS_SECRET_ACCESS_KEY"),
	}
	return kms.New(kms.Options{
		Region: compat.Lookup(s.Env, "AWS_REGION"), BaseEndpoint: &s.URL, HTTPClient: hc, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	})
}
