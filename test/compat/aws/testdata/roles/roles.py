"""Roles and sessions from Python. The environment has a user's access key, the
user's second factor with two codes, a role that trusts the user, one that
trusts a web identity, and that one's token."""
import os

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE, WEB_ROLE, SERIAL = os.environ["ROLE"], os.environ["WEB_ROLE"], os.environ["SERIAL"]
sts = boto3.client("sts")
account = sts.get_caller_identity()["Account"]


def refused(code, call, **arguments):
    """Holds that a call fails with a code, and returns the text."""
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call} succeeds, want {code}")


def of(credentials, service):
    """Returns a client with temporary credentials."""
    return boto3.client(
        service, aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


assert sts.get_access_key_info(AccessKeyId=os.environ["AWS_ACCESS_KEY_ID"])["Account"] == account
answer = sts.assume_role(
    RoleArn=ROLE, RoleSessionName="from-python", DurationSeconds=900, SerialNumber=SERIAL, TokenCode=os.environ["CODE1"],
    Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListAliases","Resource":"*"}]}',
)
arn = answer["AssumedRoleUser"]["Arn"]
assert of(answer["Credentials"], "sts").get_caller_identity()["Arn"] == arn, arn
text = refused("AccessDeniedException", of(answer["Credentials"], "kms").list_keys)
assert "because no session policy allows the kms:ListKeys action" in text, text
text = refused("AccessDenied", sts.assume_role, RoleArn=ROLE, RoleSessionName="xx", SerialNumber=SERIAL, TokenCode=os.environ["CODE1"])
assert "MultiFactorAuthentication failed" in text, text
refused("AccessDenied", sts.assume_role, RoleArn=WEB_ROLE, RoleSessionName="from-python")

session = sts.get_session_token(SerialNumber=SERIAL, TokenCode=os.environ["CODE2"], DurationSeconds=900)["Credentials"]
refused("AccessDenied", of(session, "sts").get_session_token)
of(session, "sts").assume_role(RoleArn=ROLE, RoleSessionName="with-mfa")

stranger_sts = boto3.client("sts", config=Config(signature_version=UNSIGNED))
with open(os.environ["TOKEN_FILE"], encoding="ascii") as f:
    token = f.read()
answer = stranger_sts.assume_role_with_web_identity(RoleArn=WEB_ROLE, RoleSessionName="from-python", WebIdentityToken=token)
assert answer["SubjectFromWebIdentityToken"] == "system:serviceaccount:pki:signer", answer
of(answer["Credentials"], "kms").list_keys()
refused("AccessDenied", stranger_sts.assume_role_with_web_identity, RoleArn=ROLE, RoleSessionName="from-python", WebIdentityToken=token)
refused("InvalidIdentityToken", stranger_sts.assume_role_with_web_identity, RoleArn=WEB_ROLE, RoleSessionName="xx", WebIdentityToken=token + "x")
