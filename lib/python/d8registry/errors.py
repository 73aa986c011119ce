# SPDX-License-Identifier: Apache-2.0
"""What can go wrong for good, as one tree.

RegistryError
├── InvalidInput        the same input can never work; carries field, rule, owner
│   ├── InvalidSettings     ModuleConfig `deckhouse` or `registry`
│   ├── InvalidObject       an object of the cluster that this module reads
│   └── InvalidValues       values that openapi/ refuses (a defect of the module)
├── StateUnreadable     Secret registry-state is there and cannot be understood
└── ExchangeFailed      the operator's files, or a request, failed (adapters only)

"Not yet" is never an exception: see `switching.outcome.Waiting`.
"""


class RegistryError(Exception):
    """Base of every error that this package raises on purpose; its text is one line for people."""


class InvalidInput(RegistryError):
    """The same input can never work."""


class InvalidSettings(InvalidInput):
    """Settings break a documented rule; `problems` holds one (field, rule) a broken rule."""

    def __init__(self, owner: str, problems: tuple[tuple[str, str], ...]) -> None:
        self.owner = owner
        self.problems = problems
        super().__init__(f"{owner}: " + "; ".join(f"{field}: {rule}" for field, rule in problems))


class InvalidObject(InvalidInput):
    """An object of the cluster lacks what its contract requires."""


class InvalidValues(InvalidInput):
    """Values break the schema in openapi/values.yaml."""


class StateUnreadable(RegistryError):
    """Secret registry-state holds something that this release cannot read."""


class ExchangeFailed(RegistryError):
    """Reading the operator's input, writing its output, or asking a server failed."""
