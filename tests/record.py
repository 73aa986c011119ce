# SPDX-License-Identifier: Apache-2.0
"""`make record`: run real containerds of both generations and write down what they do and say."""

from pathlib import Path

from tests.support import isolated

RECORDS = {
    "tests.contract.containerd_semantics": "tests/contract/containerd_semantics.json",
}


def main() -> None:
    """Run every recorder in namespaces of its own and write its output over the record."""
    for module, path in RECORDS.items():
        Path(path).write_text(isolated.run(module), encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
