"""What a deployment brings along: function code and nested templates, kept in a bucket under their hashes."""

import hashlib
import io
import os
import pathlib
import zipfile

from botocore.exceptions import ClientError


class Artifacts:
    """A bucket of files that never change: a key is the hash of what it holds."""

    def __init__(self, s3, bucket: str, region: str):
        self._s3, self._bucket, self._used = s3, bucket, set()
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            s3.create_bucket(Bucket=bucket, **location)
        except s3.exceptions.BucketAlreadyOwnedByYou:
            pass

    def code(self, binary: pathlib.Path) -> dict:
        """Stores a function's binary as the zip that Lambda takes, and says where."""
        content = binary.read_bytes()
        key = f"{hashlib.sha256(content).hexdigest()}.zip"
        if not self._exists(key):
            # Not compressed: the way is short, and packing 200 MB of debug builds takes seconds.
            zipped = io.BytesIO()
            with zipfile.ZipFile(zipped, "w") as archive:
                entry = zipfile.ZipInfo("bootstrap")
                entry.external_attr = 0o755 << 16
                archive.writestr(entry, content)
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=zipped.getvalue())
        return {"Bucket": self._bucket, "Key": key}

    def empty_layer(self) -> dict:
        """Stores a layer with nothing in it and says where: the local AWS doesn't unpack layers, and `local` puts what they
        hold onto the functions' PATH.
        """
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr(zipfile.ZipInfo("empty"), b"")
        key = f"{hashlib.sha256(zipped.getvalue()).hexdigest()}.zip"
        if not self._exists(key):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=zipped.getvalue())
        return {"Bucket": self._bucket, "Key": key}

    def template(self, text: str) -> str:
        """Stores a template and answers the address under which CloudFormation finds it."""
        key = f"{hashlib.sha256(text.encode()).hexdigest()}.template"
        if not self._exists(key):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=text.encode())
        return f"{self._s3.meta.endpoint_url}/{self._bucket}/{key}"

    def forget_unused(self) -> None:
        """Deletes what no deployment needs any more, once one with everything that was stored here stands."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            for stored in page.get("Contents", []):
                if stored["Key"] not in self._used:
                    self._s3.delete_object(Bucket=self._bucket, Key=stored["Key"])

    def _exists(self, key: str) -> bool:
        self._used.add(key)
        try:
            self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True


def binaries_of(template: dict, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The file of each binary that the template's functions name."""
    names = {
        resource["Metadata"]["BuildProperties"]["Binary"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    missing = sorted(name for name in names if not os.access(folder / name, os.X_OK))
    if missing:
        raise SystemExit(f"no binaries {', '.join(missing)} in {folder}; build them first")
    return {name: folder / name for name in sorted(names)}
