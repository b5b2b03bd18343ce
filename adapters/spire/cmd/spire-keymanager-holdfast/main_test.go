package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/spiffe/spire-plugin-sdk/private"
	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc"

	"github.com/holdfast-kms/holdfast/test/compat"
)

const name = "spire-keymanager-holdfast"

// TestMain is the plug-in itself when the tests' binary is started under its
// name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == name {
		main()
		return
	}
	os.Exit(m.Run()) //nolint:forbidigo // TestMain ends the process
}

// host is the SPIRE server's side of a plug-in's connection.
type host struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer is the plug-in's side.
func (host) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the other side")
}

// GRPCClient returns the connection.
func (host) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// launch starts the plug-in as a process of its own, as the SPIRE server does,
// and returns what ends it.
func launch(t *testing.T) (*keymanagerv1.KeyManagerPluginClient, *configv1.ConfigServiceClient, func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	manager, config := new(keymanagerv1.KeyManagerPluginClient), new(configv1.ConfigServiceClient)
	process := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: manager.Type(), MagicCookieValue: manager.Type()},
		Plugins:          map[string]goplugin.Plugin{manager.Type(): host{}},
		Cmd:              exec.Command(path), //nolint:noctx // the test's own binary, which Kill ends
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(process.Kill)
	connection, err := process.Client()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := connection.Dispense(manager.Type())
	if err != nil {
		t.Fatal(err)
	}
	conn := raw.(*grpc.ClientConn)
	services, err := private.Init(t.Context(), conn, nil)
	if err != nil || !slices.Contains(services, manager.GRPCServiceName()) || !slices.Contains(services, config.GRPCServiceName()) {
		t.Fatalf("the plug-in has the services %v, %v", services, err)
	}
	manager.InitClient(conn)
	config.InitClient(conn)
	return manager, config, process.Kill
}

// TestProcess has a plug-in make a key, end, and sign in its next life.
func TestProcess(t *testing.T) {
	compat.Use(t)
	hcl := fmt.Sprintf("place = %q\nkeys_file = %q", "holdfast:///", filepath.Join(t.TempDir(), "keys.json"))
	manager, config, end := launch(t)
	if _, err := config.Configure(t.Context(), &configv1.ConfigureRequest{HclConfiguration: hcl}); err != nil {
		t.Fatal(err)
	}
	made, err := manager.GenerateKey(t.Context(), &keymanagerv1.GenerateKeyRequest{KeyId: "x509-CA-A", KeyType: keymanagerv1.KeyType_EC_P256})
	if err != nil {
		t.Fatal(err)
	}
	end()

	manager, config, _ = launch(t)
	if _, err := config.Configure(t.Context(), &configv1.ConfigureRequest{HclConfiguration: hcl}); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("what SPIRE signs"))
	signed, err := manager.SignData(t.Context(), &keymanagerv1.SignDataRequest{
		KeyId: "x509-CA-A", Data: digest[:],
		SignerOpts: &keymanagerv1.SignDataRequest_HashAlgorithm{HashAlgorithm: keymanagerv1.HashAlgorithm_SHA256},
	})
	if err != nil || signed.GetKeyFingerprint() != made.GetPublicKey().GetFingerprint() {
		t.Errorf("signed by %v and not by %v: %v", signed, made, err)
	}
}
