"""What JSON Schema cannot say of this API's values: real images, addresses that can be fetched, regions that exist.

Schemathesis loads this file through `SCHEMATHESIS_HOOKS`; `scripts/fuzz.ts` sets the variables read here.
Without it every valid request would end at the decoder, and the code behind it would never be reached.
"""

import base64
import io
import os
import re
import uuid

import schemathesis
from hypothesis import strategies as st
from PIL import Image

REGION = os.environ["GEO2_FUZZ_REGION"]
IMAGE_URL = os.environ["GEO2_FUZZ_IMAGE_URL"]


def encoded(image_format: str, width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """One image of a single colour."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, format=image_format)
    return out.getvalue()


# The tiny model is slow on red and fails on black: neither is what is fuzzed here.
FILES = {
    (image_format, shape): encoded(image_format, *shape, (0, 200, 50))
    for image_format in ("JPEG", "PNG", "WEBP")
    for shape in ((64, 48), (48, 64), (256, 128), (16, 16))
}


def images(*formats: str) -> st.SearchStrategy[bytes]:
    """Small whole images of these formats."""
    return st.sampled_from([file for (image_format, _), file in FILES.items() if image_format in formats])


ANY_IMAGE = images("JPEG", "PNG", "WEBP")

schemathesis.openapi.format("binary", ANY_IMAGE)
schemathesis.openapi.format("byte", ANY_IMAGE.map(lambda file: base64.b64encode(file).decode()))
schemathesis.openapi.format("uri", st.just(IMAGE_URL))
schemathesis.openapi.format("region-id", st.just(REGION))
schemathesis.openapi.format("idempotency-key", st.uuids().map(str))


@schemathesis.hook
def before_call(context, case, kwargs):
    """The document's examples name images at example.org: here they lie at an address that answers."""
    rename(case.headers)
    body = reachable(case.body)
    if body != case.body:  # an assignment makes Schemathesis judge the body anew, and it takes an image's bytes for a mistake
        case.body = body


def rename(headers) -> None:
    """A name that was given to another request is refused, as it should be: each proper one becomes a new one."""
    for header in list(headers or {}):
        value = headers[header]
        if header.lower() == "idempotency-key" and isinstance(value, str) and re.fullmatch("[!-~]{1,255}", value):
            headers[header] = str(uuid.uuid4())


def reachable(value: object) -> object:
    """The same value with addresses at example.org replaced by one that can be fetched."""
    if isinstance(value, dict):
        return {key: reachable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [reachable(member) for member in value]
    if isinstance(value, str) and value.startswith("https://example.org/"):
        return IMAGE_URL
    return value
