package byok

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/test/compat/judge"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// TestCLI runs the scripts of the clients' tests with the real aws command
// line, boto3 and openssl. What a script leaves as *.secret must be nowhere.
func TestCLI(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		script  string
		command []string
		tool    compat.Tool
	}{
		{"import.sh", []string{"bash", "-c", `run=byok; . "${0%/*}/prelude.bash"; . "$0"`}, compat.FindTool(ctx, "aws-cli", "aws", "--version")},
		{"import.py", []string{"python3"}, compat.FindTool(ctx, "boto3", "python3", "-c", "import boto3; print(boto3.__version__)")},
	} {
		t.Run(c.script, func(t *testing.T) {
			if c.tool.Version == "" {
				t.Fatalf("%s is not installed: scripts/install-test-tools installs it", c.tool.Name)
			}
			w, dir := setup(t), t.TempDir()
			script, err := filepath.Abs(filepath.Join("..", "aws", "testdata", c.script))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s", w.execute(t, dir, append(c.command, script)...))
			secrets, err := filepath.Glob(filepath.Join(dir, "*.secret"))
			if err != nil || len(secrets) == 0 {
				t.Fatalf("the script left no secrets to look for: %v", err)
			}
			for _, path := range secrets {
				name := filepath.Base(path)
				w.untraced(t, strings.TrimSuffix(name, ".secret"), judge.Read(t, dir, name))
			}
		})
	}
}
