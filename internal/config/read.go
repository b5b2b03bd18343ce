package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// ReadFile reads a file of at most limit bytes that an operator names.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return text, err
}

// Decode reads YAML over what a configuration has. An unknown key, and whatever
// else is wrong, is an InvalidArgument error that names its line.
func Decode(text []byte, c any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return Wrong(err)
	}
	return nil
}

// Wrong makes what is wrong with a configuration an InvalidArgument error.
func Wrong(err error) error {
	return &fault.Error{Kind: fault.InvalidArgument, Op: "config", Public: err.Error()}
}
