"""Writes the OpenAPI document of the HTTP door: python deploy/dev/openapi DESCRIPTOR_SET > openapi.json

DESCRIPTOR_SET is of proto/, with imports and source info. deploy/dev/gen runs it.
"""

import json
import pathlib
import sys

import tables
from document import Document
from limits import Limits
from protos import Protos

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[3]
# base/limits.h first: others may be made of its numbers.
LIMIT_HEADERS = ("src/base/limits.h", "src/edge/http/http_conn.h", "src/edge/http/http_head.h")


def main():
    protos = Protos(pathlib.Path(sys.argv[1]).read_bytes())
    limits = Limits(tables.read_limits(*(SOURCE_DIR / header for header in LIMIT_HEADERS)))
    document = Document(protos, limits, tables.read_reasons(SOURCE_DIR), tables.read_currencies(SOURCE_DIR),
                        tables.read_phrases(SOURCE_DIR))
    json.dump(document.build(), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
