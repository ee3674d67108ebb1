"""orderd, the sandbox and PostgreSQL for the tests of the page, until standard input ends.

Says in one line of JSON where they are. The lease is short, so that nobody waits for one; a try takes as long as a test holds its answer back.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "client"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

SETTINGS = {"LEASE": "1s", "TRY_TIMEOUT": "50s", "LOG_LEVEL": "info"}


def main():
    folder = harness.work_folder("page")
    try:
        postgres = harness.Postgres(folder, ["fsync=off"])
        sandbox = harness.Sandbox(folder)
        orderd = harness.Orderd(folder, postgres.create_database("orderd"), sandbox, **SETTINGS)
        print(json.dumps({"url": orderd.http_url, "sandbox": sandbox.url}), flush=True)
        sys.stdin.read()
        orderd.stop_clean()
        sandbox.stop()
        postgres.stop()
    finally:
        harness.end_all()


if __name__ == "__main__":
    main()
