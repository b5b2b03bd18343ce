// Command sigstore-kms-holdfast is a plug-in of sigstore's libraries, by which
// programs such as cosign sign with keys that package holdfast opens. It speaks
// version 1 of sigstore's protocol for plug-ins: what is wanted is the second
// argument, in JSON; a message comes by the standard input, and the answer, in
// JSON, goes to the standard output.
//
// Nobody starts it by hand: a program that is given the key "holdfast:///name"
// finds it on the PATH. Credentials come from the environment.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/sigstore/sigstore/pkg/signature/kms"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/common"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/encoding"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"

	"github.com/holdfast-kms/holdfast/adapters/sigstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sigstore-kms-holdfast:", err)
		os.Exit(1) //nolint:forbidigo // this is package main
	}
}

// run answers one call. A failure is told in the answer; the program that
// called looks there and not at the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	call, sv, err := parse(ctx, args)
	if err != nil {
		return errors.Join(err, handler.WriteErrorResponse(stdout, err))
	}
	resp, err := handler.Dispatch(stdout, stdin, call, sv)
	if err == nil && resp.ErrorMessage != "" {
		return errors.New(resp.ErrorMessage)
	}
	return err
}

// parse reads a call.
func parse(ctx context.Context, args []string) (*common.PluginArgs, kms.SignerVerifier, error) {
	if len(args) != 3 || args[1] != common.ProtocolVersion {
		return nil, nil, fmt.Errorf("the arguments are not those of the protocol %s: other programs start this one, such as cosign", common.ProtocolVersion)
	}
	call, err := handler.GetPluginArgs(args)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the call: %w", err)
	}
	if err := check(call); err != nil {
		return nil, nil, err
	}
	// The caller has cut the scheme off: it chose the plug-in by it.
	init := call.InitOptions
	sv, err := sigstore.Provider()(ctx, sigstore.Scheme+init.KeyResourceID, init.HashFunc, encoding.UnpackRPCOptions(init.RPCOptions)...)
	return call, sv, err
}

// check refuses a call that lacks what its handler takes for granted.
func check(call *common.PluginArgs) error {
	if call.InitOptions == nil || call.MethodArgs == nil {
		return errors.New("the call has no initOptions, or no methodName")
	}
	init, m := call.InitOptions, call.MethodArgs
	if init.ProtocolVersion != common.ProtocolVersion {
		return fmt.Errorf("the protocol %q is not supported, only %s", init.ProtocolVersion, common.ProtocolVersion)
	}
	init.RPCOptions = cmp.Or(init.RPCOptions, new(common.RPCOptions))
	missing := false
	switch m.MethodName {
	case common.CreateKeyMethodName:
		missing = m.CreateKey == nil
	case common.PublicKeyMethodName:
		missing = m.PublicKey == nil || m.PublicKey.PublicKeyOptions == nil
	case common.SignMessageMethodName:
		missing = m.SignMessage == nil || m.SignMessage.SignOptions == nil
	case common.VerifySignatureMethodName:
		missing = m.VerifySignature == nil || m.VerifySignature.VerifyOptions == nil
	}
	if missing {
		return fmt.Errorf("the call lacks the arguments of %s", m.MethodName)
	}
	return nil
}
