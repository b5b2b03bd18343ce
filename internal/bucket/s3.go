package bucket

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// S3Config says how an endpoint is reached.
type S3Config struct {
	// Endpoint is its address, such as "https://s3.example.com". Buckets are
	// the first part of the path ("path style").
	Endpoint string
	// Region is what requests are signed for.
	Region string
	// Credentials are what they are signed with.
	Credentials sigv4.Credentials
	// Roots are whom the endpoint's certificate may be from, nil for the
	// system's.
	Roots *x509.CertPool
	// Timeout bounds one attempt. Default: 1 minute.
	Timeout time.Duration
	// Spool is the directory for a file that is under way. Default: the
	// system's for temporary files.
	Spool string
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// S3 is an endpoint that speaks the API of Amazon S3.
type S3 struct {
	config S3Config
	base   *url.URL
	client *http.Client
	pause  time.Duration // after a first attempt; it doubles
}

// NewS3 returns an endpoint. It is not reached before the first Put.
func NewS3(c S3Config) (*S3, error) {
	base, err := url.Parse(c.Endpoint)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" || base.User != nil {
		return nil, fault.New(fault.InvalidArgument, "%q is no address of an endpoint of buckets", c.Endpoint)
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: c.Timeout, MaxIdleConns: 2, IdleConnTimeout: time.Minute,
	}
	return &S3{config: c, base: base, pause: pause, client: &http.Client{
		Transport: transport,
		// A signature is for one host: what sends elsewhere is an error.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes the connections that wait.
func (s *S3) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Attempts at one file, and the time between the first two.
const (
	attempts = 3
	pause    = time.Second
)

// Put implements inventory.Sink. The content goes to a file first: a request
// is signed with its length and hash.
func (s *S3) Put(ctx context.Context, bucket, name, contentType string, content io.Reader) (err error) {
	if err := check(bucket, name); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.config.Spool, "holdfast-bucket-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, hash), &reader{ctx, content})
	if err != nil {
		return err
	}
	u := s.base.JoinPath(bucket, name)
	for attempt := 1; ; attempt++ {
		again, err := s.try(ctx, u, contentType, io.NewSectionReader(f, 0, size), [sha256.Size]byte(hash.Sum(nil)))
		if err == nil || !again || attempt == attempts {
			return err
		}
		select {
		case <-time.After(s.pause << (attempt - 1)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try sends a file once; again says that another attempt may work.
func (s *S3) try(ctx context.Context, u *url.URL, contentType string, content *io.SectionReader, hash [sha256.Size]byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), io.NopCloser(content))
	if err != nil {
		return false, err
	}
	if req.ContentLength = content.Size(); content.Size() == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set(sigv4.HeaderSHA256, hex.EncodeToString(hash[:]))
	sigv4.SignHashed(req, hash, s.config.Credentials, s.config.Region, "s3", s.config.Now())
	resp, err := s.client.Do(req)
	if err != nil {
		return true, s.unavailable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return true, s.unavailable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return false, nil
	}
	return resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, s.refused(resp.StatusCode, text)
}

func (s *S3) unavailable(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Op: "bucket.Put", Public: "the endpoint of buckets cannot be reached at the moment", Err: err}
}

// refused is the error of an answer that is no success ("Error responses",
// Amazon S3 API Reference). The endpoint's own words go to the log.
func (s *S3) refused(status int, text []byte) error {
	var answer struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	_ = xml.Unmarshal(text, &answer) // what is no XML has no code
	e := &fault.Error{
		Kind: fault.Unavailable, Op: "bucket.Put", Public: "the endpoint of buckets cannot take the file at the moment",
		Err: fmt.Errorf("%s answers %d %s: %s", s.base.Host, status, answer.Code, strings.ToValidUTF8(answer.Message, "?")),
	}
	switch {
	case status == http.StatusNotFound:
		e.Kind, e.Public = fault.NotFound, "the bucket does not exist"
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		e.Kind, e.Public = fault.WrongState, "the bucket refuses this server's credential"
	case status >= 300 && status < 500 && status != http.StatusTooManyRequests:
		e.Kind, e.Public = fault.WrongState, "the bucket refuses the file"
	}
	return e
}
