//go:build linux

package worker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"
)

// What a library may print: lines are cut, and there is a number of them for
// each period, so that it can fill neither memory nor the log.
const (
	maxLine       = 512 // bytes
	linesAtOnce   = 50
	linesInterval = 10 * time.Second
)

// printer logs what a process prints.
type printer struct {
	log   *slog.Logger
	until time.Time // the end of the period
	left  int       // lines that it may still print in it
	lost  int       // lines that it printed beyond that
}

func newPrinter(log *slog.Logger, pid int) *printer {
	return &printer{log: log.With(slog.Int("pid", pid))}
}

// copy logs until the process has closed its end, or the file's deadline.
func (p *printer) copy(from *os.File) {
	defer from.Close() //nolint:errcheck // only read
	r := bufio.NewReaderSize(from, maxLine)
	for {
		line, more, err := r.ReadLine()
		if err != nil {
			p.report()
			return
		}
		p.print(line)
		for more && err == nil { // the rest of a long line
			_, more, err = r.ReadLine()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return
		}
	}
}

func (p *printer) print(line []byte) {
	if now := time.Now(); now.After(p.until) {
		p.report()
		p.until, p.left = now.Add(linesInterval), linesAtOnce
	}
	if p.left == 0 {
		p.lost++
		return
	}
	p.left--
	p.log.InfoContext(context.Background(), "the PKCS #11 module prints", slog.String("line", string(line)))
}

// report says how many lines were not logged.
func (p *printer) report() {
	if p.lost > 0 {
		p.log.WarnContext(context.Background(), "the PKCS #11 module prints too much", slog.Int("lines_lost", p.lost))
		p.lost = 0
	}
}
