// Command age-plugin-holdfast has age encrypt and decrypt files with keys that
// package holdfast opens. Age starts it by itself; people use it to make the
// strings that age wants:
//
//	age-plugin-holdfast identity URI     a file of identities for the key
//	age-plugin-holdfast recipient URI    the recipient alone
//
// Credentials come from the environment.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/holdfast-kms/holdfast/adapters/age"
)

const usage = `Keys of Holdfast, of clouds, tokens and files for age.

  age-plugin-holdfast identity URI     print a file of identities for the key
  age-plugin-holdfast recipient URI    print the recipient alone

  age-plugin-holdfast identity 'awskms:///alias/backup?region=eu-central-1' > backup.txt
  age -e -i backup.txt -o secrets.age secrets
  age -d -i backup.txt secrets.age
  age -d -j holdfast secrets.age       # by the keys that the file itself names
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is package main
}

// run returns the exit status: 0, or 1 for a failure and 2 for wrong usage; of
// age's protocol, what that says.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p, err := age.NewPlugin()
	if err != nil {
		return fail(stderr, 1, err)
	}
	p.SetIO(stdin, stdout, stderr)
	flags := flag.NewFlagSet("age-plugin-holdfast", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	p.RegisterFlags(flags)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NFlag() > 0 {
		return p.Main()
	}
	if flags.NArg() != 2 {
		flags.Usage()
		return 2
	}
	switch noun, uri := flags.Arg(0), flags.Arg(1); noun {
	case "identity":
		err = identity(ctx, uri, stdout)
	case "recipient":
		err = recipient(ctx, uri, stdout)
	default:
		return fail(stderr, 2, fmt.Errorf("there is no %q: it is identity or recipient", noun))
	}
	if err != nil {
		return fail(stderr, 1, err)
	}
	return 0
}

func fail(stderr io.Writer, code int, err error) int {
	_, _ = fmt.Fprintln(stderr, "age-plugin-holdfast:", err) // there is nowhere else to say it
	return code
}

// identity prints a file of identities. The key is opened, so that a name that
// is wrong shows now.
func identity(ctx context.Context, uri string, stdout io.Writer) error {
	i, err := age.NewIdentity(uri)
	if err != nil {
		return err
	}
	r, err := i.Recipient(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "# key: %s\n# recipient: %s\n%s\n", i.URI(), r, i)
	return err
}

// recipient prints a recipient.
func recipient(ctx context.Context, uri string, stdout io.Writer) error {
	r, err := age.NewRecipient(ctx, uri)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, r)
	return err
}
