package preset

import "github.com/holdfast-kms/holdfast/internal/pkcs11"

// All returns what is known, sorted by name.
func All() []Preset {
	return []Preset{
		cloudHSM(), googleKMS(), ibmCloud(), luna(), lunaCloud(), nShield(), openCryptoki(), softHSM(), utimaco(), yubiHSM(),
	}
}

// ByName returns the preset of a name.
func ByName(name string) (Preset, bool) {
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

func softHSM() Preset {
	return Preset{
		Name: "softhsm2", Maker: "OpenDNSSEC", Product: "SoftHSM 2.6",
		Modules: []string{
			"/usr/lib/softhsm/libsofthsm2.so",
			"/usr/lib64/pkcs11/libsofthsm2.so",
			"/usr/lib64/softhsm/libsofthsm2.so",
			"/usr/lib/libsofthsm2.so",
			"/usr/local/lib/softhsm/libsofthsm2.so",
		},
		Notes: []string{
			"A token in software, for tests: it protects nothing from who can read its files.",
			"Slot ids change when a token is initialised: name the token by its label or serial number.",
			"RSA-OAEP is there with SHA-1 only, and CKM_RSA_AES_KEY_WRAP not at all.",
			"SOFTHSM2_CONF in the token's environment names its configuration file.",
		},
		Tested: true,
		Source: "the tests of Holdfast, with SoftHSM 2.6.1 of Debian 12",
	}
}

func cloudHSM() Preset {
	return Preset{
		Name: "aws-cloudhsm", Maker: "Amazon Web Services", Product: "AWS CloudHSM, Client SDK 5",
		Modules: []string{"/opt/cloudhsm/lib/libcloudhsm_pkcs11.so"},
		PIN:     "USER:PASSWORD of a crypto user, with the colon",
		// The HSM makes the nonce of AES-GCM itself and ignores the one that it is
		// given; CKM_AES_KEY_WRAP_PAD pads as PKCS #5 does, not as RFC 5649.
		Avoid: []pkcs11.MechanismType{pkcs11.MechAESGCM, pkcs11.MechAESKeyWrapPad},
		Notes: []string{
			"Run configure-pkcs11 with the cluster's address first; it needs no daemon.",
			"The library spreads calls over the cluster's HSMs: configure one token, and no group.",
			"A cluster of one HSM needs --disable-key-availability-check.",
			"It cannot hold the server's root key: see the mechanisms that are avoided.",
		},
		Source: "AWS CloudHSM User Guide: PKCS #11 library for Client SDK 5, Authenticate (PIN), Mechanisms, Known issues",
	}
}

func luna() Preset {
	return Preset{
		Name: "luna", Maker: "Thales", Product: "Luna Network and PCIe HSM 7",
		Modules: []string{
			"/usr/safenet/lunaclient/lib/libCryptoki2_64.so",
			"/usr/lib/libCryptoki2_64.so",
		},
		PIN: "the password (challenge) of the partition's Crypto Officer, or Crypto User for use alone",
		Notes: []string{
			"The client's registration with the partition, and Chrystoki.conf, are its own; ChrystokiConfigurationPath names the folder of another one.",
			"A high-availability group of the client appears as one token: name that one, and no group here.",
			"In FIPS mode the HSM makes the nonce of AES-GCM itself and refuses one that it is given.",
			"After a number of wrong passwords the partition locks or erases itself.",
		},
		Source: "Thales Luna HSM 7 documentation: Client installation, Configuration File Summary, Roles, High-Availability Groups",
	}
}

func lunaCloud() Preset {
	return Preset{
		Name: "luna-cloud", Maker: "Thales", Product: "Luna Cloud HSM (Data Protection on Demand)",
		Modules: []string{
			"/usr/safenet/lunaclient/lib/libCryptoki2_64.so",
			"/opt/lunacloud/libs/64/libCryptoki2.so",
		},
		PIN: "the password of the partition's Crypto Officer",
		Notes: []string{
			"The minimal client is unpacked anywhere: give the path of its libs/64/libCryptoki2.so, and ChrystokiConfigurationPath in the token's environment.",
			"Each call is a request over the Internet: give the token more sessions, and a timeout of 30s.",
			"The service has FIPS and non-FIPS partitions; the first make the nonce of AES-GCM themselves.",
		},
		Source: "Thales Luna HSM documentation: Adding a Luna Cloud HSM Service, Dynamic Partition Loading",
	}
}

func nShield() Preset {
	return Preset{
		Name: "nshield", Maker: "Entrust", Product: "nShield Connect, Solo, 5c and nShield as a Service",
		Modules: []string{"/opt/nfast/toolkits/pkcs11/libcknfast.so"},
		PIN:     "the passphrase of the softcard or Operator Card Set; any text where module protection is used",
		// Else a process sees only the keys that were there when it started, and a
		// key made by another one, or by the maker's tools, cannot be adopted.
		Environment: map[string]string{"CKNFAST_ASSUME_SINGLE_PROCESS": "0"},
		Notes: []string{
			"CKNFAST_LOADSHARING=1 is needed for softcards and spreads calls over the HSMs of the Security World.",
			"The library's security assurances refuse what it holds to be unsafe, such as importing a key in the clear: CKNFAST_OVERRIDE_SECURITY_ASSURANCES says what is allowed nevertheless.",
			"The process's user has to be in the group nfast.",
		},
		Source: "Entrust nShield Security World documentation 13.6: PKCS #11 library environment variables, load-sharing mode, Developer libraries",
	}
}

func yubiHSM() Preset {
	return Preset{
		Name: "yubihsm2", Maker: "Yubico", Product: "YubiHSM 2",
		Modules: []string{
			"/usr/lib/x86_64-linux-gnu/pkcs11/yubihsm_pkcs11.so",
			"/usr/lib/aarch64-linux-gnu/pkcs11/yubihsm_pkcs11.so",
			"/usr/lib64/pkcs11/yubihsm_pkcs11.so",
			"/usr/local/lib/pkcs11/yubihsm_pkcs11.so",
		},
		PIN: "the authentication key's id as four hexadecimal digits, and its password: 0001password",
		Notes: []string{
			"YUBIHSM_PKCS11_CONF in the token's environment names a file with the line connector = http://127.0.0.1:12345.",
			"The device has no security officer and cannot be initialised through PKCS #11.",
			"It holds 256 objects of 126 KB together, ids of 16 bits, and does not do AES-GCM.",
			"The authentication key's capabilities bound what can be done: give it those that Holdfast needs.",
		},
		Source: "Yubico YubiHSM 2 User Guide: PKCS#11 with YubiHSM 2 Reference, Core Concepts",
	}
}

func utimaco() Preset {
	return Preset{
		Name: "utimaco", Maker: "Utimaco", Product: "SecurityServer, u.trust General Purpose HSM (CryptoServer)",
		Modules: []string{
			"/opt/utimaco/lib/libcs_pkcs11_R3.so",
			"/usr/lib/utimaco/libcs_pkcs11_R3.so",
			"/opt/utimaco/lib/libcs_pkcs11_R2.so",
		},
		PIN: "the PIN of the slot's USER (USR_0000 for slot 0)",
		Notes: []string{
			"CS_PKCS11_R3_CFG (or CS_PKCS11_R2_CFG) in the token's environment names the configuration file, which has the device's address.",
			"With fallback or load balancing in that file one token stands for several devices: configure no group then.",
			"The simulator for evaluation has the same library.",
		},
		Source: "Utimaco CryptoServer PKCS#11 R2 and R3 Developer Guides",
	}
}

func ibmCloud() Preset {
	return Preset{
		Name: "ibm-hpcs", Maker: "IBM", Product: "Hyper Protect Crypto Services (GREP11)",
		Modules: []string{
			"/usr/local/lib/pkcs11-grep11-amd64.so",
			"/usr/lib/pkcs11-grep11-amd64.so",
			"/usr/local/lib64/pkcs11-grep11-amd64.so",
		},
		PIN: "the API key of the service ID that is the normal user",
		Notes: []string{
			"The file is downloaded as pkcs11-grep11-PLATFORM.so.VERSION: give its path, or link it.",
			"grep11client.yaml, in the folder that EP11CLIENT_CFG names or /etc/ep11client, has the service's address and its key stores.",
			"Users are service IDs: a new API key is a changed PIN.",
		},
		Source: "IBM Cloud documentation: Performing cryptographic operations with the PKCS #11 API, Introducing PKCS #11",
	}
}

func openCryptoki() Preset {
	return Preset{
		Name: "opencryptoki", Maker: "IBM", Product: "Crypto Express by openCryptoki (CCA, EP11, ICA and software tokens)",
		Modules: []string{
			"/usr/lib/opencryptoki/libopencryptoki.so",
			"/usr/lib64/opencryptoki/libopencryptoki.so",
			"/usr/lib/x86_64-linux-gnu/opencryptoki/libopencryptoki.so",
			"/usr/lib/s390x-linux-gnu/opencryptoki/libopencryptoki.so",
		},
		PIN: "the token's user PIN; a new token has a default one that must be changed first",
		Notes: []string{
			"The daemon pkcsslotd has to run, and the process's user to be in the group pkcs11.",
		},
		Source: "openCryptoki: README and the manual pages opencryptoki.conf(5), pkcsconf(1)",
	}
}

func googleKMS() Preset {
	return Preset{
		Name: "google-kmsp11", Maker: "Google", Product: "Cloud KMS and Cloud HSM by libkmsp11",
		Modules: []string{
			"/usr/local/lib/libkmsp11.so",
			"/usr/lib/libkmsp11.so",
		},
		PIN: "none is needed: the credentials are Google's own (GOOGLE_APPLICATION_CREDENTIALS)",
		Notes: []string{
			"KMS_PKCS11_CONFIG in the token's environment names a YAML file whose tokens are key rings.",
			"Keys are made with gcloud and adopted: the library makes one only with an attribute of Google's own (CKA_KMS_ALGORITHM).",
			"New keys are seen after refresh_interval_secs of that file; the default is never.",
			"Each call is a request over the Internet: give the token more sessions, and a timeout of 30s.",
		},
		Source: "Google Cloud documentation: Cloud KMS library for PKCS #11; GoogleCloudPlatform/kms-integrations user guide and FAQs",
	}
}
