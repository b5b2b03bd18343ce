// Command spire-keymanager-holdfast is a plug-in of the SPIRE server, a
// KeyManager whose keys are where package holdfast reaches them. The SPIRE server
// starts it: see the documentation of package spire.
package main

import (
	"github.com/spiffe/spire-plugin-sdk/pluginmain"
	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"

	"github.com/holdfast-kms/holdfast/adapters/spire"
)

func main() {
	p := spire.New()
	pluginmain.Serve(keymanagerv1.KeyManagerPluginServer(p), configv1.ConfigServiceServer(p))
}
