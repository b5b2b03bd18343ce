"""Records what botocore sends for each operation of AWS Lambda that is served.

    python3 internal/front/aws/lambda/testdata/record.py

writes testdata/requests/*.http, as the recorder of AWS KMS does for its own.
"""
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "kms", "testdata"))

import record  # noqa: E402

CA = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/11111111-2222-3333-4444-555555555555"

LAMBDA = {
    "GetFunction": {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:issue-certificate"},
    "GetFunctionConfiguration": {"FunctionName": "123456789012:function:sign-ca-certificate", "Qualifier": "$LATEST"},
    "Invoke": {"FunctionName": "issue-certificate:$LATEST", "LogType": "None",
               "Payload": '{"common_name":"web.example.com","san":["www.example.com"],"validity_days":90,"ca_arn":"%s"}' % CA},
    "ListFunctions": {"FunctionVersion": "ALL", "MaxItems": 1},
}

if __name__ == "__main__":
    for name, args in LAMBDA.items():
        record.record("lambda", name, args, os.path.join(here, "requests"))
