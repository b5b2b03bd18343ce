package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/fault"
	nativefront "github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/split"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// serveSeal answers the requests about the seal. They stand outside of
// authentication: while the server is sealed nobody's credential can be read,
// and a share proves itself. What they tell is how far an unsealing has come.
func (s *server) serveSeal(w http.ResponseWriter, r *http.Request) {
	call := &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.Anonymous}, Method: "shares"},
		RequestID: uuid.NewString(), API: "holdfast", Operation: "Unseal", UserAgent: r.UserAgent(), Secure: r.TLS != nil, Time: time.Now(),
	}
	if address, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		call.Source = address.Addr().Unmap()
	}
	if err := s.sealRequest(w, r, call); err != nil {
		s.Log.DebugContext(r.Context(), "a request about the seal", slog.String("request", call.RequestID), slog.Any("cause", err))
		nativefront.WriteProblem(w, call.RequestID, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", native.TypeJSON)
	h.Set("Cache-Control", "no-store")
	h.Set(native.HeaderRequestID, call.RequestID)
	_ = json.NewEncoder(w).Encode(s.sealStatus()) // the client is gone if this fails
}

// sealRequest does what a request asks of the seal.
func (s *server) sealRequest(w http.ResponseWriter, r *http.Request, call *key.Call) error {
	method := http.MethodPost
	if r.URL.Path == native.SealPath {
		method = http.MethodGet
	}
	switch {
	case r.Method != method:
		w.Header().Set("Allow", method)
		return fault.New(fault.Unsupported, "use %s", method)
	case method == http.MethodGet:
		return nil
	case r.TLS == nil:
		return fault.New(fault.InvalidArgument, "shares are taken over TLS only")
	case !strings.HasPrefix(r.Header.Get("Content-Type"), native.TypeJSON): // no form of a web page can send it
		return fault.New(fault.InvalidArgument, "the body is to be %s", native.TypeJSON)
	case s.sealed == nil:
		return errNotSealed()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2*split.MaxText))
	defer clear(body)
	if err != nil {
		return fault.New(fault.InvalidArgument, "the body cannot be read, or is too long")
	}
	var req native.UnsealRequest
	defer func() { clear(req.Share) }()
	if err := native.Decode(body, &req); err != nil {
		return err
	}
	call.Operation = map[bool]string{false: "Unseal", true: "RestartUnsealing"}[r.URL.Path == native.ResealPath]
	return s.takeShare(r, call, req.Share, r.URL.Path == native.ResealPath)
}

// ofSeal reports whether a path is of the seal.
func ofSeal(path string) bool {
	return path == native.SealPath || path == native.UnsealPath || path == native.ResealPath
}

func (s *server) sealStatus() native.SealStatus {
	if s.instance.Load() != nil || s.sealed == nil {
		return native.SealStatus{}
	}
	p := s.sealed.shares.Progress()
	status := native.SealStatus{Sealed: true, Have: p.Have, Need: p.Need, Set: p.Set}
	if !p.Since.IsZero() {
		since := p.Since.UTC().Truncate(time.Second)
		status.Since = &since
	}
	return status
}

// refuse answers a request to any API while there is no instance, in a form
// that the API's clients read.
func (s *server) refuse(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.NewString(), s.waiting()
	text := strings.TrimPrefix(err.Error(), fault.Unavailable.String()+": ")
	write := func(media string, body []byte) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(body) // the client is gone if this fails
	}
	media := r.Header.Get("Content-Type")
	switch {
	case strings.HasPrefix(r.URL.Path, "/holdfast/"):
		nativefront.WriteProblem(w, id, err)
	case r.Header.Get("X-Amz-Target") != "":
		body, _ := json.Marshal(map[string]string{"__type": "ServiceUnavailableException", "message": text}) // texts always encode
		write(media, body)
	case strings.HasPrefix(media, "application/x-www-form-urlencoded"):
		write("text/xml", aws.XMLError("https://sts.amazonaws.com/doc/2011-06-15/", "Receiver", "ServiceUnavailable", text, id))
	default:
		write("text/plain; charset=utf-8", []byte(text+"\n"))
	}
}

// How many shares may be entered: at once, and then one after each pause; from
// one address, and from all together. A share cannot be guessed; the limit
// keeps strangers from costing the server time.
const (
	sourceBurst = 10
	sourcePause = 6 * time.Second
	totalBurst  = 40
	totalPause  = time.Second
	maxSources  = 1024
)

// attempts limits how many shares may be entered in a time.
type attempts struct {
	now func() time.Time

	mu      sync.Mutex // guards what follows
	sources map[netip.Addr]*allowance
	total   *allowance
}

// allowance is how many attempts are left: a token bucket.
type allowance struct {
	left  float64
	burst float64
	pause time.Duration
	at    time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, sources: map[netip.Addr]*allowance{}, total: newAllowance(totalBurst, totalPause, now())}
}

func newAllowance(burst float64, pause time.Duration, now time.Time) *allowance {
	return &allowance{burst, burst, pause, now}
}

// take counts an attempt from an address; one too many is an Unavailable
// error. What is refused because of its own address does not count for all.
func (a *attempts) take(source netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if source.Is6() { // a machine has a whole network of these
		if p, err := source.Prefix(64); err == nil {
			source = p.Addr()
		}
	}
	own, ok := a.sources[source]
	if !ok {
		if len(a.sources) >= maxSources {
			clear(a.sources) // the limit of all together stays
		}
		own = newAllowance(sourceBurst, sourcePause, now)
		a.sources[source] = own
	}
	if !own.take(now) || !a.total.take(now) {
		return fault.New(fault.Unavailable, "too many shares in a short time: try again in a few seconds")
	}
	return nil
}

func (b *allowance) take(now time.Time) bool {
	b.left = min(b.burst, b.left+float64(now.Sub(b.at))/float64(b.pause))
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
