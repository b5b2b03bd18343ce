package pkcs11

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// java has keys made on the token, where keytool would make them in itself and
// bring them.
const java = `name = Holdfast
library = %s
slotListIndex = %d
attributes(generate, CKO_PRIVATE_KEY, *) = {
  CKA_TOKEN = true
}
attributes(generate, CKO_PUBLIC_KEY, *) = {
  CKA_TOKEN = true
}
`

// TestJava: keytool makes a key with its certificate, has it signed by an
// authority of Holdfast, and jarsigner signs with it.
func TestJava(t *testing.T) {
	w := use(t, []string{"keytool", "-help"}, []string{"jarsigner", "-help"}, []string{"jar", "--version"})
	dir := w.folder(t)
	write(t, dir, "holdfast.cfg", fmt.Appendf(nil, java, w.module, 3))
	store := []string{"-keystore", "NONE", "-storetype", "PKCS11", "-storepass", shortPIN, "-addprovider", "SunPKCS11"}
	keytool := func(args ...string) string {
		t.Helper()
		return w.must(t, dir, append(append([]string{"keytool"}, args...), append(slices.Clone(store), "-providerarg", "holdfast.cfg")...)...)
	}
	keytool("-genkeypair", "-alias", "jar", "-keyalg", "EC", "-groupname", "secp256r1", "-sigalg", "SHA256withECDSA", "-dname", "CN=jar", "-validity", "30")
	var list []struct{ ID string }
	w.holdfast(t, &list, "key", "list")
	tagged := ""
	for _, k := range list {
		var one struct {
			Origin string
			Tags   []struct{ Key, Value string }
		}
		w.holdfast(t, &one, "key", "show", k.ID)
		if strings.Contains(fmt.Sprint(one.Tags), "{for java}") && one.Origin == "generated" {
			tagged = k.ID
		}
	}
	if tagged == "" {
		t.Error("no key of Holdfast has been made")
	}
	keytool("-certreq", "-alias", "jar", "-file", "jar.csr")
	w.holdfast(t, nil, "ca", "create", "--name", "java", "--new-key", "ECC_NIST_P256", "--cn", "Java")
	var root struct{ Certificate string }
	w.holdfast(t, &root, "ca", "show", "java")
	var issued struct{ Certificate string }
	w.holdfast(t, &issued, "cert", "issue", "--ca", "java", "--profile", "code-signing", "--csr", dir+"/jar.csr")
	write(t, dir, "jar.pem", []byte(issued.Certificate+root.Certificate))
	keytool("-importcert", "-alias", "jar", "-file", "jar.pem", "-noprompt")
	if out := keytool("-list", "-v"); !strings.Contains(out, "PrivateKeyEntry") || !strings.Contains(out, "Issuer: CN=Java") {
		t.Errorf("%s", out)
	}
	write(t, dir, "hello.txt", []byte("hello\n"))
	w.must(t, dir, "jar", "cf", "hello.jar", "hello.txt")
	sign := append([]string{"jarsigner"}, store...)
	w.must(t, dir, append(sign, "-providerArg", "holdfast.cfg", "hello.jar", "jar")...)
	if out := w.must(t, dir, "jarsigner", "-verify", "hello.jar"); !strings.Contains(out, "jar verified.") {
		t.Errorf("%s", out)
	}
}
