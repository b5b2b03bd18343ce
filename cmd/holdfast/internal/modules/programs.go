package modules

import "strings"

// program is an application and what it has to be told.
type program struct {
	name, title string
	lines       []string
}

// programs are in the order in which they are printed. In their lines $MODULE,
// $ENGINE, $ADDRESS, $SOCKET, $TOKEN and $OBJECT stand for what was found.
var programs = [...]program{
	{"shell", "Every program: how p11-kit-client.so finds the agent", []string{
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
	}},
	{"pkcs11-tool", "pkcs11-tool (OpenSC); it asks for the PIN, ACCESSKEYID:SECRET", []string{
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
		"pkcs11-tool --module $MODULE --token-label '$TOKEN' --login --list-objects",
		"pkcs11-tool --module $MODULE --token-label '$TOKEN' --login --keypairgen --key-type EC:secp384r1 --label '$OBJECT' --id 01",
	}},
	{"openssl", "OpenSSL 3 with the engine of libp11: a file for OPENSSL_CONF, and commands", []string{
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
	{"nginx", "nginx: OPENSSL_CONF is the file of openssl above; both variables are set where nginx is started, such as in a drop-in of its unit", []string{
		"# in the unit: [Service]",
		"# Environment=OPENSSL_CONF=/etc/nginx/openssl-pkcs11.cnf P11_KIT_SERVER_ADDRESS=$ADDRESS",
		"# in nginx.conf, at the top: the workers need them, too, and their user has to be able to open $SOCKET",
		"env OPENSSL_CONF;",
		"env P11_KIT_SERVER_ADDRESS;",
		"# in the server: the PIN is percent-encoded, or left out where the token wants none",
		"ssl_certificate /etc/nginx/www.pem;",
		`ssl_certificate_key "engine:pkcs11:pkcs11:token=$TOKEN;object=$OBJECT;type=private;pin-value=ACCESSKEYID%3ASECRET";`,
	}},
	{"gnutls", "GnuTLS: it loads the modules that p11-kit knows", []string{
		"# in /etc/pkcs11/modules/holdfast.module, or ~/.config/pkcs11/modules/holdfast.module",
		"# module: $MODULE",
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS' GNUTLS_PIN=ACCESSKEYID:SECRET",
		"p11tool --provider $MODULE --login --list-all 'pkcs11:token=$TOKEN'",
		"gnutls-serv --provider $MODULE --x509certfile www.pem --x509keyfile 'pkcs11:token=$TOKEN;object=$OBJECT;type=private'",
	}},
	{"java", "Java: a configuration of SunPKCS11, and keytool", []string{
		"cat >holdfast.cfg <<'END'",
		"name = Holdfast",
		"library = $MODULE",
		"slotListIndex = 0",
		"END",
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
		"keytool -list -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerarg holdfast.cfg",
		"jarsigner -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerArg holdfast.cfg app.jar '$OBJECT'",
	}},
	{"ssh", "OpenSSH: it asks for the PIN, or has SSH_ASKPASS ask", []string{
		"export P11_KIT_SERVER_ADDRESS='$ADDRESS'",
		"ssh-keygen -D $MODULE >>~/.ssh/authorized_keys.new",
		"# in ~/.ssh/config",
		"# PKCS11Provider $MODULE",
		"ssh -o PKCS11Provider=$MODULE host.example.com",
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
	).Replace(strings.Join(p.lines, "\n") + "\n")
}
