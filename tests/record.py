# SPDX-License-Identifier: Apache-2.0
"""`make record`: run real containerds of both generations and write down what they do and say."""

import sys
from pathlib import Path

from tests.support import isolated
from tests.support.containerd import Generation

RECORDS = {
    "tests/contract/containerd_semantics.json": ("tests.contract.containerd_semantics",),
    **{f"tests/node/failures/{each}.json": ("tests.node.record_failures", str(each)) for each in Generation},
}


def main() -> None:
    """Run every recorder in namespaces of its own and write its output over the record; arguments choose among them."""
    for path in sys.argv[1:] or RECORDS:
        Path(path).write_text(isolated.run(*RECORDS[path]), encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
