package awskms_test

import (
	"context"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// TestReal runs the contract against AWS KMS itself, in the account and region
// of the environment. Its keys are scheduled for deletion.
func TestReal(t *testing.T) {
	if os.Getenv("HOLDFAST_REAL_AWS") == "" {
		t.Skip("SKIP: AWS KMS itself is asked only with credentials, and HOLDFAST_REAL_AWS=1: it costs money")
	}
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &service{client: kms.NewFromConfig(c)}
	end := func(name string) {
		ctx := context.WithoutCancel(t.Context())
		_, _ = s.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &name, PendingWindowInDays: aws.Int32(7)}) // what is not there need not go
	}
	const made = "alias/made-by-name" // of enginetest
	forget := func() {
		ctx := context.WithoutCancel(t.Context())
		if out, err := s.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(made)}); err == nil {
			end(*out.KeyMetadata.KeyId)
			_, _ = s.client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: aws.String(made)})
		}
	}
	forget()
	t.Cleanup(forget)
	e := newEngine(t, awskms.Options{Settings: remote.Settings{Name: "real", Rate: 20}})
	contract := contract(s, e)
	contract.Adopt = func(t *testing.T, _ engine.Engine, spec alg.Spec) string {
		arn := s.adopt(t, spec)
		t.Cleanup(func() { end(arn) })
		return arn
	}
	enginetest.Test(t, contract)
}
