package modules

import "strings"

// program is an application and what it has to be told.
type program struct {
	name, title string
	lines       []string
}

// programs are in the order in which they are printed. In their lines $MODULE,
// $ENGINE, $ADDRESS and $SOCKET stand for what was found, $TOKEN and $OBJECT for
// parts of URIs, and $LABEL for the object's name between quotes.
var programs = [...]program{
	{"p11-kit", "Programs that ask p11-kit (GnuTLS, curl, the engine of OpenSSL, …): a file says it all", []string{
		"# /etc/pkcs11/modules/holdfast.module; for one user, who is not root, ~/.config/pkcs11/modules/holdfast.module",
		"remote: $ADDRESS",
	}},
	{"shell", "Programs that load p11-kit-client.so: how it finds the agent", []string{
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
	}},
	{"pkcs11-tool", "pkcs11-tool (OpenSC); it asks for the PIN", []string{
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
		"pkcs11-tool --module $MODULE --token-label '$TOKEN' --login --list-objects",
		"pkcs11-tool --module $MODULE --token-label '$TOKEN' --login --keypairgen --key-type EC:secp384r1 --label '$LABEL' --id 01",
	}},
	{"openssl", "OpenSSL 3 with the engine of libp11, which takes PINs of at most 32 characters: see pin_file in docs/pkcs11.md", []string{
		"cat >openssl-pkcs11.cnf <<'END'",
		"openssl_conf = openssl_init",
		".include /etc/ssl/openssl.cnf",
		"[openssl_init]",
		"engines = engine_section",
		"[engine_section]",
		"pkcs11 = pkcs11_section",
		"[pkcs11_section]",
		"engine_id = pkcs11",
		"dynamic_path = $ENGINE",
		"MODULE_PATH = $MODULE",
		"init = 1",
		"END",
		"export OPENSSL_CONF=$PWD/openssl-pkcs11.cnf P11_KIT_SERVER_ADDRESS='$ADDRESS'",
		"openssl req -new -engine pkcs11 -keyform engine -key 'pkcs11:token=$TOKEN;object=$OBJECT;type=private' -subj /CN=www.example.com -out www.csr",
	}},
	{"nginx", "nginx: the variables are set where it is started, such as in a drop-in of its unit; OPENSSL_CONF is the file of openssl above", []string{
		"# [Service]",
		"# Environment=OPENSSL_CONF=/etc/nginx/openssl-pkcs11.cnf P11_KIT_SERVER_ADDRESS=$ADDRESS",
		"# at the top of nginx.conf; the user of the workers has to be able to open $SOCKET",
		"env OPENSSL_CONF;",
		"env P11_KIT_SERVER_ADDRESS;",
		"# in the server; without pin-value where the token wants no PIN",
		"ssl_certificate /etc/nginx/www.pem;",
		`ssl_certificate_key "engine:pkcs11:pkcs11:token=$TOKEN;object=$OBJECT;type=private;pin-value=PIN";`,
	}},
	{"gnutls", "GnuTLS", []string{
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS' GNUTLS_PIN=PIN",
		"p11tool --provider $MODULE --login --list-all 'pkcs11:token=$TOKEN'",
		"gnutls-serv --provider $MODULE --x509certfile www.pem --x509keyfile 'pkcs11:token=$TOKEN;object=$OBJECT;type=private'",
	}},
	{"java", "Java: a configuration of SunPKCS11 that has keys made on the token, and commands", []string{
		"cat >holdfast.cfg <<'END'",
		"name = Holdfast",
		"library = $MODULE",
		"slotListIndex = 0",
		"attributes(generate, CKO_PRIVATE_KEY, *) = {",
		"  CKA_TOKEN = true",
		"}",
		"attributes(generate, CKO_PUBLIC_KEY, *) = {",
		"  CKA_TOKEN = true",
		"}",
		"END",
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
		"keytool -list -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerarg holdfast.cfg",
		"jarsigner -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerArg holdfast.cfg app.jar '$LABEL'",
	}},
	{"ssh", "OpenSSH; it asks for the PIN, or has SSH_ASKPASS ask", []string{
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
		"ssh-keygen -D $MODULE | grep ' $LABEL$' >~/.ssh/holdfast.pub",
		"ssh -o PKCS11Provider=$MODULE -o IdentitiesOnly=yes -i ~/.ssh/holdfast.pub host.example.com",
	}},
}

// programNames returns their names.
func programNames() []string {
	names := make([]string, len(programs))
	for i, p := range programs {
		names[i] = p.name
	}
	return names
}

// text returns a program's lines.
func (p *program) text(s *surroundings) string {
	or := func(path, otherwise string) string {
		if path == "" {
			return otherwise
		}
		return path
	}
	return strings.NewReplacer(
		"$MODULE", or(s.Module, "/path/to/p11-kit-client.so"), "$ENGINE", or(s.Engine, "/path/to/engines-3/pkcs11.so"),
		"$ADDRESS", s.Address, "$SOCKET", s.Socket, "$TOKEN", s.Token, "$OBJECT", s.Object,
		"$LABEL", strings.ReplaceAll(s.label, "'", `'\''`),
	).Replace(strings.Join(p.lines, "\n") + "\n")
}
