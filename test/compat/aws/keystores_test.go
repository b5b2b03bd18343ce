package aws

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudhsmv2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// keyStores has the cases of the operations on custom key stores. Each has a
// cluster of its own, on the server with a pool.
var keyStores = map[string]func(*testing.T, *target, *kms.Client){
	"CreateCustomKeyStore": func(t *testing.T, _ *target, _ *kms.Client) {
		w := newStore(t)
		st := w.store(t)
		if *st.CloudHsmClusterId != w.cluster || aws.ToString(st.TrustAnchorCertificate) != w.anchor || st.ConnectionState != types.ConnectionStateTypeDisconnected ||
			st.CustomKeyStoreType != types.CustomKeyStoreTypeAwsCloudhsm || st.CreationDate == nil {
			t.Errorf("the key store is %+v", st)
		}
		again := w.request()
		_, err := w.kms.CreateCustomKeyStore(t.Context(), again)
		refused(t, err, "CloudHsmClusterInUseException", "*")
		again.CustomKeyStoreType = types.CustomKeyStoreTypeExternalKeyStore
		_, err = w.kms.CreateCustomKeyStore(t.Context(), again)
		refused(t, err, "UnsupportedOperationException", "*")
	},
	"DescribeCustomKeyStores": func(t *testing.T, _ *target, _ *kms.Client) {
		w := newStore(t)
		if st := w.store(t); *st.CustomKeyStoreName != w.name {
			t.Errorf("it is called %s", *st.CustomKeyStoreName)
		}
		out, err := w.kms.DescribeCustomKeyStores(t.Context(), &kms.DescribeCustomKeyStoresInput{CustomKeyStoreName: &w.name})
		if err != nil || len(out.CustomKeyStores) != 1 || *out.CustomKeyStores[0].CustomKeyStoreId != w.id {
			t.Errorf("by name: %+v, %v", out, err)
		}
		_, err = w.kms.DescribeCustomKeyStores(t.Context(), &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: aws.String("cks-00000000000000000")})
		refused(t, err, "CustomKeyStoreNotFoundException", "*")
	},
	"ConnectCustomKeyStore": func(t *testing.T, _ *target, _ *kms.Client) {
		w := newStore(t)
		w.connect(t)
		out, err := w.kms.CreateKey(t.Context(), &kms.CreateKeyInput{
			Origin: types.OriginTypeAwsCloudhsm, CustomKeyStoreId: &w.id, KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify,
		})
		if err != nil {
			t.Fatal(err)
		}
		if m := out.KeyMetadata; m.Origin != types.OriginTypeAwsCloudhsm || *m.CustomKeyStoreId != w.id || *m.CloudHsmClusterId != w.cluster {
			t.Errorf("the key is %+v", m)
		}
		w.key = out.KeyMetadata.KeyId
		signed, err := w.kms.Sign(t.Context(), &kms.SignInput{KeyId: w.key, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecRsassaPssSha256})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.kms.Verify(t.Context(), &kms.VerifyInput{KeyId: w.key, Message: []byte("m"), Signature: signed.Signature, SigningAlgorithm: types.SigningAlgorithmSpecRsassaPssSha256})
		if err != nil {
			t.Error(err)
		}
	},
	"DisconnectCustomKeyStore": func(t *testing.T, _ *target, _ *kms.Client) {
		w := newStore(t)
		_, err := w.kms.DisconnectCustomKeyStore(t.Context(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &w.id})
		refused(t, err, "CustomKeyStoreInvalidStateException", "*")
		w.connect(t)
		w.disconnect(t)
		if st := w.store(t); st.ConnectionState != types.ConnectionStateTypeDisconnected {
			t.Errorf("it is %s", st.ConnectionState)
		}
	},
	"UpdateCustomKeyStore": func(t *testing.T, _ *target, _ *kms.Client) {
		w := newStore(t)
		wrong := aws.String("not the password")
		if _, err := w.kms.UpdateCustomKeyStore(t.Context(), &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: &w.id, KeyStorePassword: wrong}); err != nil {
			t.Fatal(err)
		}
		w.begin(t)
		if st := w.settled(t); st.ConnectionState != types.ConnectionStateTypeFailed || st.ConnectionErrorCode != types.ConnectionErrorCodeTypeInvalidCredentials {
			t.Errorf("it is %s, %s", st.ConnectionState, st.ConnectionErrorCode)
		}
		w.disconnect(t)
		_, err := w.kms.UpdateCustomKeyStore(t.Context(), &kms.UpdateCustomKeyStoreInput{
			CustomKeyStoreId: &w.id, KeyStorePassword: aws.String(tokenPIN), NewCustomKeyStoreName: aws.String(w.name + "-renamed"),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.connect(t)
		other := newCluster(t, w.target)
		_, err = w.kms.UpdateCustomKeyStore(t.Context(), &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: &w.id, CloudHsmClusterId: &other.cluster})
		refused(t, err, "CustomKeyStoreInvalidStateException", "*")
		w.disconnect(t)
		_, err = w.kms.UpdateCustomKeyStore(t.Context(), &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: &w.id, CloudHsmClusterId: &other.cluster})
		refused(t, err, "CloudHsmClusterNotRelatedException", "*")
	},
	"DeleteCustomKeyStore": func(t *testing.T, _ *target, _ *kms.Client) {
		w := newStore(t)
		w.connect(t)
		in := &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &w.id}
		_, err := w.kms.DeleteCustomKeyStore(t.Context(), in)
		refused(t, err, "CustomKeyStoreInvalidStateException", "*")
		w.disconnect(t)
		if _, err := w.kms.DeleteCustomKeyStore(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		_, err = w.kms.DeleteCustomKeyStore(t.Context(), in)
		refused(t, err, "CustomKeyStoreNotFoundException", "*")
	},
}

// storeWorld is a cluster and a key store over it.
type storeWorld struct {
	target           *target
	kms              *kms.Client
	cluster, hsm     string
	anchor, id, name string
	key              *string
}

// newCluster makes an active cluster of one HSM.
func newCluster(t *testing.T, own *target) *storeWorld {
	t.Helper()
	w := &storeWorld{target: own, kms: own.kms(own.creds), name: fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano())}
	c, ctx := own.cloudhsm(), t.Context()
	made, err := c.CreateCluster(ctx, &cloudhsmv2.CreateClusterInput{HsmType: aws.String("hsm1.medium"), SubnetIds: []string{"subnet-12345678"}})
	if err != nil {
		t.Fatal(err)
	}
	w.cluster = *made.Cluster.ClusterId
	hsm, err := c.CreateHsm(ctx, &cloudhsmv2.CreateHsmInput{ClusterId: &w.cluster, AvailabilityZone: aws.String(own.region + "a")})
	if err != nil {
		t.Fatal(err)
	}
	w.hsm = *hsm.Hsm.HsmId
	out, err := c.DescribeClusters(ctx, &cloudhsmv2.DescribeClustersInput{Filters: map[string][]string{"clusterIds": {w.cluster}}})
	if err != nil || len(out.Clusters) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	certificate, anchor := sign(t, *out.Clusters[0].Certificates.ClusterCsr)
	if _, err := c.InitializeCluster(ctx, &cloudhsmv2.InitializeClusterInput{ClusterId: &w.cluster, SignedCert: &certificate, TrustAnchor: &anchor}); err != nil {
		t.Fatal(err)
	}
	w.anchor = anchor
	t.Cleanup(func() { // the token is another test's then
		if _, err := c.DeleteHsm(context.Background(), &cloudhsmv2.DeleteHsmInput{ClusterId: &w.cluster, HsmId: &w.hsm}); err != nil {
			t.Error(err)
		}
	})
	return w
}

// newStore makes a key store over a new cluster.
func newStore(t *testing.T) *storeWorld {
	t.Helper()
	w := newCluster(t, hsmTarget(t))
	out, err := w.kms.CreateCustomKeyStore(t.Context(), w.request())
	if err != nil {
		t.Fatal(err)
	}
	w.id = *out.CustomKeyStoreId
	t.Cleanup(func() { // best effort: the server ends with the tests
		_, _ = w.kms.DisconnectCustomKeyStore(context.Background(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &w.id})
		_, _ = w.kms.DeleteCustomKeyStore(context.Background(), &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: &w.id})
	})
	return w
}

func (w *storeWorld) request() *kms.CreateCustomKeyStoreInput {
	return &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: &w.name, CloudHsmClusterId: &w.cluster, TrustAnchorCertificate: &w.anchor, KeyStorePassword: aws.String(tokenPIN),
	}
}

func (w *storeWorld) store(t *testing.T) types.CustomKeyStoresListEntry {
	t.Helper()
	out, err := w.kms.DescribeCustomKeyStores(t.Context(), &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: &w.id})
	if err != nil || len(out.CustomKeyStores) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	return out.CustomKeyStores[0]
}

func (w *storeWorld) begin(t *testing.T) {
	t.Helper()
	if _, err := w.kms.ConnectCustomKeyStore(t.Context(), &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: &w.id}); err != nil {
		t.Fatal(err)
	}
}

// settled waits until the key store is no longer connecting.
func (w *storeWorld) settled(t *testing.T) types.CustomKeyStoresListEntry {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if st := w.store(t); st.ConnectionState != types.ConnectionStateTypeConnecting {
			return st
		}
	}
	t.Fatal("the key store is still connecting")
	return types.CustomKeyStoresListEntry{}
}

func (w *storeWorld) connect(t *testing.T) {
	t.Helper()
	w.begin(t)
	if st := w.settled(t); st.ConnectionState != types.ConnectionStateTypeConnected {
		t.Fatalf("it is %s, %s", st.ConnectionState, st.ConnectionErrorCode)
	}
}

func (w *storeWorld) disconnect(t *testing.T) {
	t.Helper()
	if _, err := w.kms.DisconnectCustomKeyStore(t.Context(), &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: &w.id}); err != nil {
		t.Fatal(err)
	}
}

// sign makes an authority and has it issue a certificate for a request, all
// in PEM.
func sign(t *testing.T, request string) (certificate, anchor string) {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	if block == nil {
		t.Fatalf("the request is %q", request)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := csr.CheckSignature(); err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Customer CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: csr.Subject, NotBefore: root.NotBefore, NotAfter: root.NotAfter}
	issue := func(of *x509.Certificate, public crypto.PublicKey) string {
		der, err := x509.CreateCertificate(rand.Reader, of, root, public, private)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return issue(leaf, csr.PublicKey), issue(root, private.Public())
}
