package gcpkms

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/key"
)

var update = flag.Bool("update", false, "rewrite testdata/requests.txt")

// recorder keeps the requests that are sent.
type recorder struct {
	t  *testing.T
	mu sync.Mutex

	requests []map[string]any // guarded by mu
}

// record is a client's interceptor.
func (r *recorder) record(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if m, ok := req.(proto.Message); ok {
		text, err := protojson.Marshal(m)
		members := map[string]any{}
		if err == nil {
			err = json.Unmarshal(text, &members)
		}
		if err != nil {
			r.t.Error(err)
		}
		members["method"] = method[strings.LastIndexByte(method, '/')+1:]
		r.mu.Lock()
		r.requests = append(r.requests, members)
		r.mu.Unlock()
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// TestRequests is what the engine sends for each thing that it does, as JSON:
// the official client's requests, checksums included. What differs each time
// is left out.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	o.DestroyAfter = 7 * 24 * time.Hour
	e := newEngine(t, o)
	r := &recorder{t: t}
	e.service.options = append(e.service.options, option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(r.record)))
	for _, spec := range []alg.Spec{alg.P256, alg.MLDSA44, alg.Ed25519, alg.HMAC256, alg.AES256} {
		exercise(t, e, spec)
	}
	plain := bytes.Repeat([]byte{1, 2}, 16)
	m, err := e.Import(t.Context(), enginetest.NewRef("imported"), enginetest.KindOf(alg.HMAC256), plain)
	if err != nil {
		t.Fatal(err)
	}
	ref := enginetest.NewRef("imported")
	if err := e.SetEnabled(t.Context(), ref, alg.HMAC256, m.Wrapped, false); err != nil {
		t.Fatal(err)
	}
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Fatal(err)
	}
	if err := e.Recover(t.Context(), ref, alg.HMAC256, m.Wrapped); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.List(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	compareRequests(t, r.requests)
}

// exercise makes a key and uses it once.
func exercise(t *testing.T, e *Engine, spec alg.Spec) {
	t.Helper()
	_, k := enginetest.Generate(t, e, enginetest.NewRef(key.ID("made-"+spec.String())), spec)
	message := engine.Message{Form: alg.Raw, Bytes: []byte("message")}
	var err error
	switch {
	case k.AEAD != nil:
		_, err = k.AEAD.Seal(nil, message.Bytes, []byte("context"))
	case k.MAC != nil:
		if _, err = k.MAC.Sum(nil, message.Bytes); err == nil {
			_ = k.Verifier.Verify(alg.HMACSHA256, message, make([]byte, 32)) // another code
		}
	case spec == alg.MLDSA44:
		message = engine.Message{Form: alg.ExternalMu, Bytes: bytes.Repeat([]byte{7}, 64)} // that of a message depends on the key
		fallthrough
	default:
		_, err = engine.Sign(k.Signer, k.Algorithms[0], message)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// compareRequests compares requests with the golden file.
func compareRequests(t *testing.T, requests []map[string]any) {
	t.Helper()
	var last []byte
	var lines [][]byte
	day := regexp.MustCompile(`(holdfast-import-software-)\d{8}`)
	for _, members := range requests {
		if _, ok := members["wrappedKey"]; ok {
			members["wrappedKey"] = "…"
		}
		line, err := json.MarshalIndent(members, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		line = day.ReplaceAll(line, []byte("${1}20261123"))
		if !bytes.Equal(line, last) { // how often a job is asked for depends on the time that its key takes
			lines = append(lines, line)
		}
		last = line
	}
	got := append(bytes.Join(lines, []byte("\n")), '\n')
	path := filepath.Join("testdata", "requests.txt")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" || len(lines) < 20 {
		t.Errorf("%d requests (-want +got):\n%s", len(lines), diff)
	}
}
