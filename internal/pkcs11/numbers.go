package pkcs11

// The numbers are those of the OASIS header files of PKCS #11 3.1, and of 3.2
// for ML-DSA. Only what Holdfast or an HSM of its presets uses is here.

// What a library answers (CKR_…, PKCS #11 section 5.1).
const (
	RVOK                            RV = 0x0
	RVCancel                        RV = 0x1
	RVHostMemory                    RV = 0x2
	RVSlotIDInvalid                 RV = 0x3
	RVGeneralError                  RV = 0x5
	RVFunctionFailed                RV = 0x6
	RVArgumentsBad                  RV = 0x7
	RVNeedToCreateThreads           RV = 0x9
	RVCantLock                      RV = 0xa
	RVAttributeReadOnly             RV = 0x10
	RVAttributeSensitive            RV = 0x11
	RVAttributeTypeInvalid          RV = 0x12
	RVAttributeValueInvalid         RV = 0x13
	RVActionProhibited              RV = 0x1b
	RVDataInvalid                   RV = 0x20
	RVDataLenRange                  RV = 0x21
	RVDeviceError                   RV = 0x30
	RVDeviceMemory                  RV = 0x31
	RVDeviceRemoved                 RV = 0x32
	RVEncryptedDataInvalid          RV = 0x40
	RVEncryptedDataLenRange         RV = 0x41
	RVAEADDecryptFailed             RV = 0x42
	RVFunctionCanceled              RV = 0x50
	RVFunctionNotParallel           RV = 0x51
	RVFunctionNotSupported          RV = 0x54
	RVKeyHandleInvalid              RV = 0x60
	RVKeySizeRange                  RV = 0x62
	RVKeyTypeInconsistent           RV = 0x63
	RVKeyNotNeeded                  RV = 0x64
	RVKeyNeeded                     RV = 0x66
	RVKeyFunctionNotPermitted       RV = 0x68
	RVKeyNotWrappable               RV = 0x69
	RVKeyUnextractable              RV = 0x6a
	RVMechanismInvalid              RV = 0x70
	RVMechanismParamInvalid         RV = 0x71
	RVObjectHandleInvalid           RV = 0x82
	RVOperationActive               RV = 0x90
	RVOperationNotInitialized       RV = 0x91
	RVPINIncorrect                  RV = 0xa0
	RVPINInvalid                    RV = 0xa1
	RVPINLenRange                   RV = 0xa2
	RVPINExpired                    RV = 0xa3
	RVPINLocked                     RV = 0xa4
	RVSessionClosed                 RV = 0xb0
	RVSessionCount                  RV = 0xb1
	RVSessionHandleInvalid          RV = 0xb3
	RVSessionParallelNotSupported   RV = 0xb4
	RVSessionReadOnly               RV = 0xb5
	RVSessionExists                 RV = 0xb6
	RVSessionReadOnlyExists         RV = 0xb7
	RVSessionReadWriteSOExists      RV = 0xb8
	RVSignatureInvalid              RV = 0xc0
	RVSignatureLenRange             RV = 0xc1
	RVTemplateIncomplete            RV = 0xd0
	RVTemplateInconsistent          RV = 0xd1
	RVTokenNotPresent               RV = 0xe0
	RVTokenNotRecognized            RV = 0xe1
	RVTokenWriteProtected           RV = 0xe2
	RVUnwrappingKeyHandleInvalid    RV = 0xf0
	RVUnwrappingKeySizeRange        RV = 0xf1
	RVUnwrappingKeyTypeInconsistent RV = 0xf2
	RVUserAlreadyLoggedIn           RV = 0x100
	RVUserNotLoggedIn               RV = 0x101
	RVUserPINNotInitialized         RV = 0x102
	RVUserTypeInvalid               RV = 0x103
	RVUserAnotherAlreadyLoggedIn    RV = 0x104
	RVUserTooManyTypes              RV = 0x105
	RVWrappedKeyInvalid             RV = 0x110
	RVWrappedKeyLenRange            RV = 0x112
	RVWrappingKeyHandleInvalid      RV = 0x113
	RVWrappingKeySizeRange          RV = 0x114
	RVWrappingKeyTypeInconsistent   RV = 0x115
	RVRandomSeedNotSupported        RV = 0x120
	RVRandomNoRNG                   RV = 0x121
	RVDomainParamsInvalid           RV = 0x130
	RVCurveNotSupported             RV = 0x140
	RVBufferTooSmall                RV = 0x150
	RVSavedStateInvalid             RV = 0x160
	RVInformationSensitive          RV = 0x170
	RVStateUnsaveable               RV = 0x180
	RVCryptokiNotInitialized        RV = 0x190
	RVCryptokiAlreadyInitialized    RV = 0x191
	RVMutexBad                      RV = 0x1a0
	RVMutexNotLocked                RV = 0x1a1
	RVFunctionRejected              RV = 0x200
	RVTokenResourceExceeded         RV = 0x201
	RVOperationCancelFailed         RV = 0x202
	RVKeyExhausted                  RV = 0x203
	RVVendorDefined                 RV = 0x80000000
)

// The attributes of objects (CKA_…).
const (
	AttrClass                  AttributeType = 0x0
	AttrToken                  AttributeType = 0x1
	AttrPrivate                AttributeType = 0x2
	AttrLabel                  AttributeType = 0x3
	AttrUniqueID               AttributeType = 0x4
	AttrApplication            AttributeType = 0x10
	AttrValue                  AttributeType = 0x11
	AttrObjectID               AttributeType = 0x12
	AttrCertificateType        AttributeType = 0x80
	AttrIssuer                 AttributeType = 0x81
	AttrSerialNumber           AttributeType = 0x82
	AttrTrusted                AttributeType = 0x86
	AttrCertificateCategory    AttributeType = 0x87
	AttrJavaMIDPSecurityDomain AttributeType = 0x88
	AttrURL                    AttributeType = 0x89
	AttrCheckValue             AttributeType = 0x90
	AttrKeyType                AttributeType = 0x100
	AttrSubject                AttributeType = 0x101
	AttrID                     AttributeType = 0x102
	AttrSensitive              AttributeType = 0x103
	AttrEncrypt                AttributeType = 0x104
	AttrDecrypt                AttributeType = 0x105
	AttrWrap                   AttributeType = 0x106
	AttrUnwrap                 AttributeType = 0x107
	AttrSign                   AttributeType = 0x108
	AttrSignRecover            AttributeType = 0x109
	AttrVerify                 AttributeType = 0x10a
	AttrVerifyRecover          AttributeType = 0x10b
	AttrDerive                 AttributeType = 0x10c
	AttrStartDate              AttributeType = 0x110
	AttrEndDate                AttributeType = 0x111
	AttrModulus                AttributeType = 0x120
	AttrModulusBits            AttributeType = 0x121
	AttrPublicExponent         AttributeType = 0x122
	AttrPrivateExponent        AttributeType = 0x123
	AttrPrime1                 AttributeType = 0x124
	AttrPrime2                 AttributeType = 0x125
	AttrExponent1              AttributeType = 0x126
	AttrExponent2              AttributeType = 0x127
	AttrCoefficient            AttributeType = 0x128
	AttrPublicKeyInfo          AttributeType = 0x129
	AttrPrimeBits              AttributeType = 0x133
	AttrSubPrimeBits           AttributeType = 0x134
	AttrValueBits              AttributeType = 0x160
	AttrValueLen               AttributeType = 0x161
	AttrExtractable            AttributeType = 0x162
	AttrLocal                  AttributeType = 0x163
	AttrNeverExtractable       AttributeType = 0x164
	AttrAlwaysSensitive        AttributeType = 0x165
	AttrKeyGenMechanism        AttributeType = 0x166
	AttrModifiable             AttributeType = 0x170
	AttrCopyable               AttributeType = 0x171
	AttrDestroyable            AttributeType = 0x172
	AttrECParams               AttributeType = 0x180
	AttrECPoint                AttributeType = 0x181
	AttrSecondaryAuth          AttributeType = 0x200
	AttrAuthPINFlags           AttributeType = 0x201
	AttrAlwaysAuthenticate     AttributeType = 0x202
	AttrWrapWithTrusted        AttributeType = 0x210
	AttrWrapTemplate           AttributeType = 0x40000211
	AttrUnwrapTemplate         AttributeType = 0x40000212
	AttrDeriveTemplate         AttributeType = 0x40000213
	AttrHWFeatureType          AttributeType = 0x300
	AttrResetOnInit            AttributeType = 0x301
	AttrHasReset               AttributeType = 0x302
	AttrPixelX                 AttributeType = 0x400
	AttrPixelY                 AttributeType = 0x401
	AttrResolution             AttributeType = 0x402
	AttrCharRows               AttributeType = 0x403
	AttrCharColumns            AttributeType = 0x404
	AttrColor                  AttributeType = 0x405
	AttrBitsPerPixel           AttributeType = 0x406
	AttrMechanismType          AttributeType = 0x500
	AttrAllowedMechanisms      AttributeType = 0x40000600
	AttrParameterSet           AttributeType = 0x61d
)

// The mechanisms (CKM_…).
const (
	MechRSAPKCSKeyPairGen   MechanismType = 0x0
	MechRSAPKCS             MechanismType = 0x1
	MechRSAX509             MechanismType = 0x3
	MechSHA1RSAPKCS         MechanismType = 0x6
	MechRSAPKCSOAEP         MechanismType = 0x9
	MechRSAPKCSPSS          MechanismType = 0xd
	MechSHA1RSAPKCSPSS      MechanismType = 0xe
	MechSHA256RSAPKCS       MechanismType = 0x40
	MechSHA384RSAPKCS       MechanismType = 0x41
	MechSHA512RSAPKCS       MechanismType = 0x42
	MechSHA256RSAPKCSPSS    MechanismType = 0x43
	MechSHA384RSAPKCSPSS    MechanismType = 0x44
	MechSHA512RSAPKCSPSS    MechanismType = 0x45
	MechSHA224RSAPKCS       MechanismType = 0x46
	MechSHA224RSAPKCSPSS    MechanismType = 0x47
	MechSHA1                MechanismType = 0x220
	MechSHA256              MechanismType = 0x250
	MechSHA224              MechanismType = 0x255
	MechSHA384              MechanismType = 0x260
	MechSHA512              MechanismType = 0x270
	MechSHA1HMAC            MechanismType = 0x221
	MechSHA224HMAC          MechanismType = 0x256
	MechSHA256HMAC          MechanismType = 0x251
	MechSHA384HMAC          MechanismType = 0x261
	MechSHA512HMAC          MechanismType = 0x271
	MechGenericSecretKeyGen MechanismType = 0x350
	MechSHA224KeyGen        MechanismType = 0x4008
	MechSHA256KeyGen        MechanismType = 0x4004
	MechSHA384KeyGen        MechanismType = 0x4005
	MechSHA512KeyGen        MechanismType = 0x4006
	MechECKeyPairGen        MechanismType = 0x1040
	MechECDSA               MechanismType = 0x1041
	MechECDSASHA1           MechanismType = 0x1042
	MechECDSASHA224         MechanismType = 0x1043
	MechECDSASHA256         MechanismType = 0x1044
	MechECDSASHA384         MechanismType = 0x1045
	MechECDSASHA512         MechanismType = 0x1046
	MechECDH1Derive         MechanismType = 0x1050
	MechRSAAESKeyWrap       MechanismType = 0x1054
	MechECEdwardsKeyPairGen MechanismType = 0x1055
	MechEdDSA               MechanismType = 0x1057
	MechAESKeyGen           MechanismType = 0x1080
	MechAESECB              MechanismType = 0x1081
	MechAESCBC              MechanismType = 0x1082
	MechAESCBCPad           MechanismType = 0x1085
	MechAESCTR              MechanismType = 0x1086
	MechAESGCM              MechanismType = 0x1087
	MechAESKeyWrap          MechanismType = 0x2109
	MechAESKeyWrapPad       MechanismType = 0x210a
	MechAESKeyWrapKWP       MechanismType = 0x210b
	MechMLDSAKeyPairGen     MechanismType = 0x1c
	MechMLDSA               MechanismType = 0x1d

	// MechUnavailable stands for "none" (CK_UNAVAILABLE_INFORMATION): a key that
	// was not made on the token has it as AttrKeyGenMechanism.
	MechUnavailable MechanismType = 1<<64 - 1
)

// The classes of objects (CKO_…).
const (
	ClassData        Class = 0x0
	ClassCertificate Class = 0x1
	ClassPublicKey   Class = 0x2
	ClassPrivateKey  Class = 0x3
	ClassSecretKey   Class = 0x4
)

// The types of keys (CKK_…).
const (
	KeyRSA           KeyType = 0x0
	KeyEC            KeyType = 0x3
	KeyGenericSecret KeyType = 0x10
	KeyAES           KeyType = 0x1f
	KeySHA1HMAC      KeyType = 0x28
	KeySHA256HMAC    KeyType = 0x2b
	KeySHA384HMAC    KeyType = 0x2c
	KeySHA512HMAC    KeyType = 0x2d
	KeySHA224HMAC    KeyType = 0x2e
	KeyECEdwards     KeyType = 0x40
	KeyMLDSA         KeyType = 0x4a
)

// The mask generation functions (CKG_MGF1_…).
const (
	MGF1SHA1   MGF = 0x1
	MGF1SHA256 MGF = 0x2
	MGF1SHA384 MGF = 0x3
	MGF1SHA512 MGF = 0x4
	MGF1SHA224 MGF = 0x5
)

// Who logs in (CKU_…).
const (
	UserSecurityOfficer UserType = 0x0
	UserNormal          UserType = 0x1
	UserContextSpecific UserType = 0x2
)

// What a token says of itself (CKF_…, CK_TOKEN_INFO).
const (
	TokenRNG                         TokenFlags = 0x1
	TokenWriteProtected              TokenFlags = 0x2
	TokenLoginRequired               TokenFlags = 0x4
	TokenUserPINInitialized          TokenFlags = 0x8
	TokenProtectedAuthenticationPath TokenFlags = 0x100
	TokenInitialized                 TokenFlags = 0x400
	TokenUserPINCountLow             TokenFlags = 0x10000
	TokenUserPINFinalTry             TokenFlags = 0x20000
	TokenUserPINLocked               TokenFlags = 0x40000
	TokenUserPINToBeChanged          TokenFlags = 0x80000
	TokenSOPINLocked                 TokenFlags = 0x400000
	TokenErrorState                  TokenFlags = 0x1000000
)

// What a mechanism can do (CKF_…, CK_MECHANISM_INFO).
const (
	CanHW              MechanismFlags = 0x1
	CanEncrypt         MechanismFlags = 0x100
	CanDecrypt         MechanismFlags = 0x200
	CanDigest          MechanismFlags = 0x400
	CanSign            MechanismFlags = 0x800
	CanVerify          MechanismFlags = 0x2000
	CanGenerate        MechanismFlags = 0x8000
	CanGenerateKeyPair MechanismFlags = 0x10000
	CanWrap            MechanismFlags = 0x20000
	CanUnwrap          MechanismFlags = 0x40000
	CanDerive          MechanismFlags = 0x80000
	CanECPrimeField    MechanismFlags = 0x100000
	CanECNamedCurve    MechanismFlags = 0x800000
	CanECUncompressed  MechanismFlags = 0x1000000
)

// SlotTokenPresent is what a slot says of itself (CKF_…, CK_SLOT_INFO).
const SlotTokenPresent = 0x1

// How a session is opened (CKF_…, CK_SESSION_INFO).
const (
	SessionReadWrite = 0x2
	SessionSerial    = 0x4
)

// In which state a session is (CKS_…).
const (
	StateReadOnlyPublic  = 0
	StateReadOnlyUser    = 1
	StateReadWritePublic = 2
	StateReadWriteUser   = 3
)

// The key derivation functions of CK_ECDH1_DERIVE_PARAMS (CKD_…).
const (
	KDFNull   = 0x1
	KDFSHA1   = 0x2
	KDFSHA224 = 0x5
	KDFSHA256 = 0x6
	KDFSHA384 = 0x7
	KDFSHA512 = 0x8
)

// SourceSpecified says that CK_RSA_PKCS_OAEP_PARAMS has a label
// (CKZ_DATA_SPECIFIED).
const SourceSpecified = 0x1

// CertificateX509 is the only kind of certificate here (CKC_X_509).
const CertificateX509 = 0x0
