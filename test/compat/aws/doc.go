// Package aws holds the tests of the AWS front end with the official clients:
// the aws command line, boto3 and aws-sdk-go-v2, all against the real binary.
// Start with main_test.go.
//
// The same tests and assertions run against any other endpoint:
//
//	go test ./test/compat/aws -endpoint http://127.0.0.1:5000   # an emulator
//	go test ./test/compat/aws -endpoint cloud                   # the real one
//
// with credentials and region in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN and AWS_REGION. Tests of what only Holdfast has (its
// command line, its data directory) say so and are skipped there. Against the
// real cloud the tests make keys, and schedule their deletion at the end.
package aws
