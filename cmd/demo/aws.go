package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// idle is how long a connection may wait.
const idle = 10 * time.Second

// aws calls a KMS operation: by the aws command where the machine has it,
// else by sending the same request.
func (d *demo) aws(ctx context.Context, operation string, args []string, body map[string]string) ([]byte, error) {
	args = append([]string{"kms"}, args...)
	if err := d.print("$ aws %s\n", quoted(args)); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("aws")
	if err != nil {
		return d.awsRequest(ctx, operation, body)
	}
	// Versions of the command before 2.13 do not know AWS_ENDPOINT_URL.
	c := exec.CommandContext(ctx, program, append(args, "--output", "json", "--endpoint-url", d.env["AWS_ENDPOINT_URL"])...) //nolint:gosec // the aws command
	c.Env = d.environment()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	answer, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("aws %s: %w: %s", quoted(args), err, stderr.Bytes())
	}
	return answer, nil
}

// awsRequest sends a signed request itself.
func (d *demo) awsRequest(ctx context.Context, operation string, body map[string]string) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.env["AWS_ENDPOINT_URL"]+"/", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService."+operation)
	sigv4.Sign(req, text, sigv4.Credentials{AccessKeyID: d.env["AWS_ACCESS_KEY_ID"], Secret: d.env["AWS_SECRET_ACCESS_KEY"]},
		d.env["AWS_REGION"], "kms", time.Now())
	bundle, err := os.ReadFile(d.env["AWS_CA_BUNDLE"])
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(bundle)
	caller := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
	defer caller.CloseIdleConnections()
	resp, err := caller.Do(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", operation, resp.Status, answer)
	}
	return answer, nil
}
