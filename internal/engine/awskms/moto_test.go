package awskms_test

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
)

// errNoMoto says that the machine has no moto.
var errNoMoto = errors.New("moto is not installed")

// moto is moto's server, in a process of its own.
var moto = sync.OnceValues(startMoto)

func startMoto() (*service, error) {
	if err := exec.Command("python3", "-c", "import moto.server, werkzeug").Run(); err != nil { //nolint:noctx // short
		return nil, fmt.Errorf("%w: %w", errNoMoto, err)
	}
	cmd := exec.Command("python3", "testdata/mended.py") //nolint:noctx // ended by the end of its input
	cmd.Stderr = nil
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	port, bad := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || bad != nil {
		return nil, errors.Join(fmt.Errorf("moto's server does not start: %q", line), err, in.Close(), cmd.Wait())
	}
	s := newService("http://127.0.0.1:"+strconv.Itoa(port), nil)
	s.close = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	started = append(started, s)
	return s, nil
}

// needMoto returns moto's server, or skips the test.
func needMoto(t *testing.T) *service {
	t.Helper()
	s, err := moto()
	if errors.Is(err, errNoMoto) {
		t.Skipf("SKIP: a second service to judge the engine by is missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMoto runs the contract against moto: another's idea of AWS KMS.
func TestMoto(t *testing.T) {
	t.Parallel()
	s := needMoto(t)
	lacks := []alg.Spec{alg.Ed25519, alg.MLDSA44, alg.MLDSA65, alg.MLDSA87, alg.RSA4096} // the last takes its time
	o := s.options("moto")
	o.Without, o.NoImport = lacks, true
	c := contract(s, newEngine(t, o))
	c.Unsupported, c.NoImport = lacks, alg.Specs()
	enginetest.Test(t, c)
}
