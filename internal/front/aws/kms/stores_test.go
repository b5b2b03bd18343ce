package kms_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/customstore"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
	"github.com/holdfast-kms/holdfast/internal/key"
)

const (
	storeID   = "cks-1234567890abcdef0"
	clusterID = "cluster-igklspoyj5v"
)

// stores are custom key stores that note in a door what they are asked and
// know one.
type stores struct {
	*door
	store customstore.Store
}

func newStores(d *door) *stores {
	return &stores{d, customstore.Store{
		ID: "1234567890abcdef0", Name: "cloudhsm-keystore", Cluster: "igklspoyj5v", Anchor: "the anchor",
		CreatedAt: time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC), State: customstore.Connected,
	}}
}

func (s *stores) Create(_ context.Context, c *key.Call, req *customstore.CreateRequest) (*customstore.Store, error) {
	return &s.store, s.note(c, "Create", *req, len(req.Password.Reveal()))
}

func (s *stores) List(_ context.Context, c *key.Call, l customstore.List) ([]*customstore.Store, string, error) {
	return []*customstore.Store{&s.store}, s.Next, s.note(c, "List", l)
}

func (s *stores) Update(_ context.Context, c *key.Call, id string, u customstore.Update) error {
	return s.note(c, "Update", id, u.Name, u.Cluster, u.Password)
}

func (s *stores) Connect(_ context.Context, c *key.Call, id string) error {
	return s.note(c, "Connect", id)
}

func (s *stores) Disconnect(_ context.Context, c *key.Call, id string) error {
	return s.note(c, "Disconnect", id)
}

func (s *stores) Delete(_ context.Context, c *key.Call, id string) error {
	return s.note(c, "Delete", id)
}

func (s *stores) ClusterOf(id string) string {
	if id == s.store.ID {
		return s.store.Cluster
	}
	return ""
}

const (
	createStore = `{"CustomKeyStoreName":"n","CloudHsmClusterId":"` + clusterID + `","TrustAnchorCertificate":"pem","KeyStorePassword":"password"}`
	oneStore    = `{"CustomKeyStoreId":"` + storeID + `"}`
)

// storeRefusals are what the reasons about key stores are to a client.
var storeRefusals = []awstest.Refusal{
	{Operation: "CreateCustomKeyStore", Body: createStore, Err: storeFault(fault.NotFound, fault.NoSuchCluster), Want: "CloudHsmClusterNotFoundException the text"},
	{Operation: "CreateCustomKeyStore", Body: createStore, Err: storeFault(fault.AlreadyExists, fault.KeyStoreNameTaken), Want: "CustomKeyStoreNameInUseException the text"},
	{Operation: "CreateCustomKeyStore", Body: createStore, Err: storeFault(fault.WrongState, fault.ClusterNotActive), Want: "CloudHsmClusterNotActiveException the text"},
	{Operation: "CreateCustomKeyStore", Body: createStore, Err: storeFault(fault.WrongState, fault.ClusterInUse), Want: "CloudHsmClusterInUseException the text"},
	{Operation: "CreateCustomKeyStore", Body: createStore, Err: storeFault(fault.InvalidArgument, fault.InvalidCluster), Want: "CloudHsmClusterInvalidConfigurationException the text"},
	{Operation: "CreateCustomKeyStore", Body: createStore, Err: storeFault(fault.InvalidArgument, fault.IncorrectTrustAnchor), Want: "IncorrectTrustAnchorException the text"},
	{Operation: "UpdateCustomKeyStore", Body: oneStore, Err: storeFault(fault.InvalidArgument, fault.ClusterNotRelated), Want: "CloudHsmClusterNotRelatedException the text"},
	{Operation: "ConnectCustomKeyStore", Body: oneStore, Err: storeFault(fault.NotFound, fault.NoSuchKeyStore), Want: "CustomKeyStoreNotFoundException the text"},
	{Operation: "DisconnectCustomKeyStore", Body: oneStore, Err: storeFault(fault.WrongState, fault.KeyStoreDisconnected), Want: "CustomKeyStoreInvalidStateException the text"},
	{Operation: "DeleteCustomKeyStore", Body: oneStore, Err: storeFault(fault.WrongState, fault.KeyStoreHasKeys), Want: "CustomKeyStoreHasCMKsException the text"},
}

func storeFault(kind fault.Kind, reason fault.Reason) *fault.Error {
	return fault.Because(kind, reason, "the text")
}

// TestStoreRefusals has the exceptions about key stores and clusters.
func TestStoreRefusals(t *testing.T) { awstest.TestReasons(t, fake, storeRefusals) }

// TestStoreInput has requests that never reach the door.
func TestStoreInput(t *testing.T) {
	const one = "ValidationException 1 validation error detected: Value "
	without := func(member string) string {
		before, rest, _ := strings.Cut(createStore, `"`+member+`":`)
		_, after, more := strings.Cut(rest, ",")
		if !more {
			return strings.TrimSuffix(before, ",") + "}"
		}
		return before + after
	}
	with := func(member string) string { return strings.Replace(createStore, "{", "{"+member+",", 1) }
	awstest.TestBadInput(t, fake, []awstest.Input{
		{Operation: "CreateCustomKeyStore", Body: `{}`, Want: one + "null at 'customKeyStoreName' failed to satisfy constraint: Member must not be null"},
		{Operation: "CreateCustomKeyStore", Body: without("CloudHsmClusterId"), Want: "ValidationException CloudHsmClusterId is required for custom key stores of type AWS_CLOUDHSM."},
		{Operation: "CreateCustomKeyStore", Body: without("TrustAnchorCertificate"), Want: "ValidationException TrustAnchorCertificate is required for custom key stores of type AWS_CLOUDHSM."},
		{Operation: "CreateCustomKeyStore", Body: without("KeyStorePassword"), Want: "ValidationException KeyStorePassword is required for custom key stores of type AWS_CLOUDHSM."},
		{Operation: "CreateCustomKeyStore", Body: strings.Replace(createStore, `"password"`, `"hidden"`, 1), Want: one[:len(one)-1] + " at 'keyStorePassword' failed to satisfy constraint: Member must have length greater than or equal to 7"},
		{Operation: "CreateCustomKeyStore", Body: strings.Replace(createStore, clusterID, "cluster-01234567890", 1), Want: one + "'cluster-01234567890' at 'cloudHsmClusterId' failed to satisfy constraint: Member must satisfy regular expression pattern: cluster-[2-7a-zA-Z]{11,16}"},
		{Operation: "CreateCustomKeyStore", Body: with(`"CustomKeyStoreType":"EXTERNAL_KEY_STORE"`), Want: "UnsupportedOperationException Holdfast does not support the CustomKeyStoreType EXTERNAL_KEY_STORE."},
		{Operation: "CreateCustomKeyStore", Body: with(`"XksProxyUriPath":"/kms/xks/v1"`), Want: "UnsupportedOperationException Holdfast does not support the parameter XksProxyUriPath."},
		{Operation: "UpdateCustomKeyStore", Body: strings.Replace(oneStore, "{", `{"XksProxyConnectivity":"PUBLIC_ENDPOINT",`, 1), Want: "UnsupportedOperationException Holdfast does not support the parameter XksProxyConnectivity."},
		{Operation: "ConnectCustomKeyStore", Body: `{"CustomKeyStoreId":"mine"}`, Want: "CustomKeyStoreNotFoundException The custom key store mine does not exist."},
		{Operation: "DescribeCustomKeyStores", Body: `{"CustomKeyStoreId":"` + storeID + `","CustomKeyStoreName":"n"}`, Want: "ValidationException You can specify CustomKeyStoreId or CustomKeyStoreName, but not both."},
		{Operation: "CreateKey", Body: `{"CustomKeyStoreId":"cks-1"}`, Want: "ValidationException The CustomKeyStoreId parameter is valid only when the Origin is AWS_CLOUDHSM."},
		{Operation: "CreateKey", Body: `{"Origin":"AWS_CLOUDHSM"}`, Want: "ValidationException The CustomKeyStoreId parameter is required when the Origin is AWS_CLOUDHSM."},
		{Operation: "CreateKey", Body: `{"Origin":"AWS_CLOUDHSM","CustomKeyStoreId":"mine"}`, Want: "CustomKeyStoreNotFoundException The custom key store mine does not exist."},
		{Operation: "CreateKey", Body: `{"Origin":"EXTERNAL_KEY_STORE"}`, Want: "UnsupportedOperationException Holdfast does not support the Origin EXTERNAL_KEY_STORE."},
	})
}

// TestKeyInStore: the metadata of a key says where it lives, as long as it is
// known which cluster that is.
func TestKeyInStore(t *testing.T) {
	d := newDoor()
	d.key.Store, d.key.State = "1234567890abcdef0", key.Unavailable
	a := send(t, d, "DescribeKey", `{"KeyId":"`+keyID+`"}`)
	for _, part := range []string{
		`"Origin":"AWS_CLOUDHSM"`, `"CustomKeyStoreId":"` + storeID + `"`, `"CloudHsmClusterId":"` + clusterID + `"`, `"KeyState":"Unavailable"`, `"Enabled":false`,
	} {
		if !strings.Contains(a.Body, part) {
			t.Errorf("%s is not in %s", part, a.Body)
		}
	}
	d.key.Store = "00000000000000000"
	if a := send(t, d, "DescribeKey", `{"KeyId":"`+keyID+`"}`); strings.Contains(a.Body, "CloudHsmClusterId") {
		t.Errorf("the cluster of no key store: %s", a.Body)
	}
}

// TestRawKey: a key of a usage that AWS does not have is described in Holdfast's
// own words, and none is made by them.
func TestRawKey(t *testing.T) {
	d := newDoor()
	d.key.Spec, d.key.Usage = alg.AES128, alg.RawEncryptDecrypt
	a := send(t, d, "DescribeKey", `{"KeyId":"`+keyID+`"}`)
	if !strings.Contains(a.Body, `"KeySpec":"AES_128","KeyUsage":"RAW_ENCRYPT_DECRYPT","MultiRegion"`) {
		t.Errorf("described as %s", a.Body)
	}
	for _, body := range []string{`{"KeySpec":"AES_128"}`, `{"KeyUsage":"RAW_ENCRYPT_DECRYPT"}`} {
		if a := send(t, d, "CreateKey", body); !strings.Contains(a.Body, "ValidationException") {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	if a := send(t, d, "Sign", `{"KeyId":"k","Message":"aGk=","SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_1"}`); !strings.Contains(a.Body, "ValidationException") {
		t.Errorf("a signature with SHA-1: %s", a.Body)
	}
}

// TestKeyForStore: the door is told which key store a key is to live in.
func TestKeyForStore(t *testing.T) {
	d := newDoor()
	send(t, d, "CreateKey", `{"Origin":"AWS_CLOUDHSM","CustomKeyStoreId":"`+storeID+`","KeySpec":"ECC_NIST_P384","KeyUsage":"SIGN_VERIFY"}`)
	if len(d.Log) != 1 || !strings.Contains(d.Log[0], "Store:1234567890abcdef0") {
		t.Errorf("asked %v", d.Log)
	}
}

// TestConnectionErrors has the states of a key store that is not connected.
func TestConnectionErrors(t *testing.T) {
	for failure, want := range map[customstore.Failure]string{
		customstore.NoFailure:          `"ConnectionState":"DISCONNECTED","CreationDate"`,
		customstore.InvalidCredentials: `"ConnectionState":"FAILED","ConnectionErrorCode":"INVALID_CREDENTIALS"`,
		customstore.UserLockedOut:      `"ConnectionState":"FAILED","ConnectionErrorCode":"USER_LOCKED_OUT"`,
		customstore.UserNotFound:       `"ConnectionState":"FAILED","ConnectionErrorCode":"USER_NOT_FOUND"`,
		customstore.ClusterNotFound:    `"ConnectionState":"FAILED","ConnectionErrorCode":"CLUSTER_NOT_FOUND"`,
		customstore.InsufficientHSMs:   `"ConnectionState":"FAILED","ConnectionErrorCode":"INSUFFICIENT_CLOUDHSM_HSMS"`,
		customstore.NetworkErrors:      `"ConnectionState":"FAILED","ConnectionErrorCode":"NETWORK_ERRORS"`,
		customstore.InternalError:      `"ConnectionState":"FAILED","ConnectionErrorCode":"INTERNAL_ERROR"`,
	} {
		d := newDoor()
		s := newStores(d)
		s.store.State, s.store.Failure = customstore.Failed, failure
		if failure == customstore.NoFailure {
			s.store.State = customstore.Disconnected
		}
		a := awstest.NewClient(awskms.New(d, s), d).Send(t, "DescribeCustomKeyStores", `{}`)
		if !strings.Contains(a.Body, want) {
			t.Errorf("%q: %s", failure, a.Body)
		}
	}
}
