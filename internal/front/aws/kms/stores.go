package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/customstore"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The kinds of custom key stores, which are origins of keys, too.
const (
	originHSM = "AWS_CLOUDHSM"
	originXKS = "EXTERNAL_KEY_STORE"
)

// Lengths of AWS's model.
const (
	maxStoreID                         = 64
	maxStoreName                       = 256
	minClusterID, maxClusterID         = 19, 24
	maxAnchor                          = 5000
	minStorePassword, maxStorePassword = 7, 32
)

var (
	storeTypes     = []string{originHSM, originXKS}
	clusterPattern = aws.Regexp(`cluster-[2-7a-zA-Z]{11,16}`)
)

// declareProxy declares the parameters of external key stores.
func declareProxy(m *aws.Members) {
	for _, name := range []string{
		"XksProxyUriEndpoint", "XksProxyUriPath", "XksProxyVpcEndpointServiceName", "XksProxyVpcEndpointServiceOwner",
		"XksProxyAuthenticationCredential", "XksProxyConnectivity",
	} {
		m.Unsupported(name)
	}
}

type createStoreRequest struct {
	name, cluster, anchor, kind string
	password                    []byte
}

// Members declares CreateCustomKeyStore's request.
func (r *createStoreRequest) Members(m *aws.Members) {
	m.Text("CustomKeyStoreName", &r.name, 1, maxStoreName).Required()
	m.Text("CloudHsmClusterId", &r.cluster, minClusterID, maxClusterID).Matching(clusterPattern)
	m.Text("TrustAnchorCertificate", &r.anchor, 1, maxAnchor)
	m.Secret("KeyStorePassword", &r.password, minStorePassword, maxStorePassword)
	m.Enum("CustomKeyStoreType", &r.kind, storeTypes)
	declareProxy(m)
}

// complete refuses a request without what a key store of the one kind needs.
func (r *createStoreRequest) complete() error {
	var missing string
	switch {
	case r.cluster == "":
		missing = "CloudHsmClusterId"
	case r.anchor == "":
		missing = "TrustAnchorCertificate"
	case r.password == nil:
		missing = "KeyStorePassword"
	default:
		return nil
	}
	return aws.Validation(missing + " is required for custom key stores of type " + originHSM + ".")
}

func (f *front) createCustomKeyStore(ctx context.Context, x *aws.Exchange, in *createStoreRequest) error {
	if in.kind == originXKS {
		return wire.Unsupported("Holdfast does not support the CustomKeyStoreType " + originXKS + ".")
	}
	if err := in.complete(); err != nil {
		return err
	}
	_, cluster, _ := wire.ParseHSMResourceID(in.cluster)
	st, err := f.stores.Create(ctx, &x.Call, &customstore.CreateRequest{
		Name: in.name, Cluster: cluster, Anchor: in.anchor, Password: key.NewSecret(in.password),
	})
	if err != nil {
		return err
	}
	x.Out.Text("CustomKeyStoreId", wire.KeyStoreID(st.ID))
	return nil
}

// storeRequest is the request of operations that take a custom key store and
// nothing else, and the part of others that names it.
type storeRequest struct{ store string }

// Members declares the request.
func (r *storeRequest) Members(m *aws.Members) {
	m.Text("CustomKeyStoreId", &r.store, 1, maxStoreID).Required()
}

// id returns the core's id of the key store. One that no key store can have is
// that of none.
func (r *storeRequest) id() (string, error) { return storeID(r.store) }

func storeID(s string) (string, error) {
	id, ok := wire.ParseKeyStoreID(s)
	if !ok {
		text := "The custom key store " + s + " does not exist."
		return "", &fault.Error{
			Kind: fault.NotFound, Reason: fault.NoSuchKeyStore, Public: text, Err: &wire.Exception{Code: noStore, Message: text},
		}
	}
	return id, nil
}

// do runs a call that has no answer.
func (r *storeRequest) do(call func(id string) error) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	return call(id)
}

func (f *front) connectCustomKeyStore(ctx context.Context, x *aws.Exchange, in *storeRequest) error {
	return in.do(func(id string) error { return f.stores.Connect(ctx, &x.Call, id) })
}

func (f *front) disconnectCustomKeyStore(ctx context.Context, x *aws.Exchange, in *storeRequest) error {
	return in.do(func(id string) error { return f.stores.Disconnect(ctx, &x.Call, id) })
}

func (f *front) deleteCustomKeyStore(ctx context.Context, x *aws.Exchange, in *storeRequest) error {
	return in.do(func(id string) error { return f.stores.Delete(ctx, &x.Call, id) })
}

type updateStoreRequest struct {
	storeRequest
	name, cluster string
	password      []byte
}

// Members declares UpdateCustomKeyStore's request.
func (r *updateStoreRequest) Members(m *aws.Members) {
	r.storeRequest.Members(m)
	m.Text("NewCustomKeyStoreName", &r.name, 1, maxStoreName)
	m.Secret("KeyStorePassword", &r.password, minStorePassword, maxStorePassword)
	m.Text("CloudHsmClusterId", &r.cluster, minClusterID, maxClusterID).Matching(clusterPattern)
	declareProxy(m)
}

func (f *front) updateCustomKeyStore(ctx context.Context, x *aws.Exchange, in *updateStoreRequest) error {
	id, err := in.id()
	if err != nil {
		return err
	}
	u := customstore.Update{Name: in.name}
	_, u.Cluster, _ = wire.ParseHSMResourceID(in.cluster)
	if in.password != nil {
		password := key.NewSecret(in.password)
		u.Password = &password
	}
	return f.stores.Update(ctx, &x.Call, id, u)
}

type describeStoresRequest struct {
	pageRequest
	store, name string
}

// Members declares DescribeCustomKeyStores's request.
func (r *describeStoresRequest) Members(m *aws.Members) {
	m.Text("CustomKeyStoreId", &r.store, 1, maxStoreID)
	m.Text("CustomKeyStoreName", &r.name, 1, maxStoreName)
	r.page(m, 1000)
}

func (f *front) describeCustomKeyStores(ctx context.Context, x *aws.Exchange, in *describeStoresRequest) error {
	page, err := in.from(x, 100)
	if err != nil {
		return err
	}
	l := customstore.List{Name: in.name, Page: page}
	switch {
	case in.store != "" && in.name != "":
		return aws.Validation("You can specify CustomKeyStoreId or CustomKeyStoreName, but not both.")
	case in.store != "":
		if l.ID, err = storeID(in.store); err != nil {
			return err
		}
	}
	list, next, err := f.stores.List(ctx, &x.Call, l)
	if err != nil {
		return err
	}
	x.Out.Array("CustomKeyStores", func() {
		for _, st := range list {
			x.Out.Object("", func() { writeKeyStore(&x.Out, st) })
		}
	})
	writeNext(x, next)
	return nil
}

// writeKeyStore adds the members of a CustomKeyStoresListEntry.
func writeKeyStore(out *wire.Encoder, st *customstore.Store) {
	out.Text("CustomKeyStoreId", wire.KeyStoreID(st.ID))
	out.Text("CustomKeyStoreName", st.Name)
	out.Text("CloudHsmClusterId", wire.HSMResourceID(key.KindCluster, st.Cluster))
	out.Text("TrustAnchorCertificate", st.Anchor)
	out.Text("ConnectionState", connectionStates[st.State])
	if code, ok := connectionErrors[st.Failure]; ok {
		out.Text("ConnectionErrorCode", code)
	}
	out.Time("CreationDate", st.CreatedAt)
	out.Text("CustomKeyStoreType", originHSM)
}

// connectionStates are AWS's names of the states. There is no DISCONNECTING:
// disconnecting is done with the call.
var connectionStates = map[customstore.State]string{
	customstore.Connected: "CONNECTED", customstore.Connecting: "CONNECTING", customstore.Failed: "FAILED",
	customstore.Disconnected: "DISCONNECTED",
}

// connectionErrors are AWS's names of the failures.
var connectionErrors = map[customstore.Failure]string{
	customstore.InvalidCredentials: "INVALID_CREDENTIALS", customstore.UserLockedOut: "USER_LOCKED_OUT",
	customstore.UserNotFound: "USER_NOT_FOUND", customstore.ClusterNotFound: "CLUSTER_NOT_FOUND",
	customstore.InsufficientHSMs: "INSUFFICIENT_CLOUDHSM_HSMS", customstore.NetworkErrors: "NETWORK_ERRORS",
	customstore.InternalError: "INTERNAL_ERROR",
}

// keyStore returns the core's id of the key store that a key is to be made in,
// "" for none.
func (r *createKeyRequest) keyStore() (string, error) {
	switch {
	case r.origin == originHSM && r.store == "":
		return "", aws.Validation("The CustomKeyStoreId parameter is required when the Origin is " + originHSM + ".")
	case r.origin != originHSM && r.store != "":
		return "", aws.Validation("The CustomKeyStoreId parameter is valid only when the Origin is " + originHSM + ".")
	case r.store == "":
		return "", nil
	}
	return storeID(r.store)
}

// writeStore adds to a key's metadata the key store that it lives in.
func (f *front) writeStore(out *wire.Encoder, k *key.Key) {
	if k.Store == "" {
		return
	}
	out.Text("CustomKeyStoreId", wire.KeyStoreID(k.Store))
	if cluster := f.stores.ClusterOf(k.Store); cluster != "" {
		out.Text("CloudHsmClusterId", wire.HSMResourceID(key.KindCluster, cluster))
	}
}

const noStore = "CustomKeyStoreNotFoundException"

// storeExceptions are those of the reasons about key stores and clusters.
var storeExceptions = map[fault.Reason]string{
	fault.NoSuchKeyStore:       noStore,
	fault.NoSuchCluster:        "CloudHsmClusterNotFoundException",
	fault.KeyStoreNameTaken:    "CustomKeyStoreNameInUseException",
	fault.KeyStoreDisconnected: "CustomKeyStoreInvalidStateException",
	fault.KeyStoreHasKeys:      "CustomKeyStoreHasCMKsException",
	fault.ClusterNotActive:     "CloudHsmClusterNotActiveException",
	fault.ClusterInUse:         "CloudHsmClusterInUseException",
	fault.ClusterNotRelated:    "CloudHsmClusterNotRelatedException",
	fault.InvalidCluster:       "CloudHsmClusterInvalidConfigurationException",
	fault.IncorrectTrustAnchor: "IncorrectTrustAnchorException",
}

// storeFailed explains faults about key stores and clusters.
func storeFailed(e *fault.Error) (aws.Failure, bool) {
	code, ok := storeExceptions[e.Reason]
	return bad(code, e.Public), ok
}
