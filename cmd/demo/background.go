package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// background is a program that runs until it is ended.
type background struct {
	cmd *exec.Cmd
	log *bytes.Buffer
}

func (b *background) pid() int { return b.cmd.Process.Pid }

// end ends the program, and waits for it. It may be called again.
func (b *background) end() error {
	if b.cmd.ProcessState != nil {
		return nil
	}
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return b.cmd.Wait()
}

// launch starts holdfast and waits until it is ready.
func (d *demo) launch(ctx context.Context, args ...string) (*background, error) {
	if err := d.print("$ holdfast %s &\n", quoted(args)); err != nil {
		return nil, err
	}
	b := &background{exec.CommandContext(ctx, d.binary, args...), new(bytes.Buffer)} //nolint:gosec // the binary to show
	b.cmd.Env, b.cmd.Stderr = d.environment(), b.log
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready") {
		return nil, fmt.Errorf("holdfast %s did not start: %s%s: %w", quoted(args), line, b.log, b.end())
	}
	return b, d.print("%s", line)
}
