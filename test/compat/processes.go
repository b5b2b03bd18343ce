package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Children returns the processes whose parent a process is.
func Children(pid int) ([]int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		return nil, fmt.Errorf("no process %d: %w", pid, err)
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list) //nolint:gosec // of the process under test
		if err != nil {
			continue // the thread has ended meanwhile
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			pids = append(pids, child)
		}
	}
	return pids, nil
}

// OpenFiles returns what a process has open, as /proc says it, such as
// "/dev/null" and "socket:[4711]". Connections over TCP are left out: how many
// there are is the clients' doing.
func OpenFiles(pid int) ([]string, error) {
	tcp := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 9 {
				tcp["socket:["+fields[9]+"]"] = true
			}
		}
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		return nil, fmt.Errorf("no process %d: %w", pid, err)
	}
	var files []string
	for _, link := range links {
		file, err := os.Readlink(link)
		if err == nil && !tcp[file] { // else it was closed meanwhile
			files = append(files, file)
		}
	}
	return files, nil
}
