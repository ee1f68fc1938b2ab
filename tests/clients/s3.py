"""An S3 server on a free port, which looks at signatures, for the tests of the hub's bucket.

The first line that it prints is JSON: where it is, and the access key that may do everything. Then each line that it reads is
a question, answered by a line of JSON: `objects`, `uploads` (those in parts that have not ended), `spoil KEY`, `begin KEY`
(an upload in parts; answered by its id). It ends with its input.
"""

import json
import os
import sys

# User, policy, key and bucket are made without credentials; whatever comes after must be signed.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"
os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing", AWS_DEFAULT_REGION="us-east-1")

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

BUCKET = "packages"
ALLOWED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


def make_key(url):
    iam = boto3.client("iam", endpoint_url=url)
    iam.create_user(UserName="hub")
    iam.put_user_policy(UserName="hub", PolicyName="all", PolicyDocument=json.dumps(ALLOWED))
    key = iam.create_access_key(UserName="hub")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def answer(s3, question):
    match question.split():
        case ["objects"]:
            return sorted(found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []))
        case ["uploads"]:
            return sorted(found["Key"] for found in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))
        case ["spoil", key]:
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"spoilt")
            return True
        case ["begin", key]:
            return s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    raise ValueError(question)


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    url = f"http://127.0.0.1:{port}"
    key_id, secret = make_key(url)
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
    s3 = boto3.client("s3", endpoint_url=url, aws_access_key_id=key_id, aws_secret_access_key=secret)
    print(json.dumps({"port": port, "key_id": key_id, "secret": secret}), flush=True)
    for question in sys.stdin:
        print(json.dumps(answer(s3, question)), flush=True)
    server.stop()


main()
