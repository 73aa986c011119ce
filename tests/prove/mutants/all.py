# SPDX-License-Identifier: Apache-2.0
"""All mutants."""

from tests.prove.mutants.blind import BLIND
from tests.prove.mutants.more import MORE

MUTANTS = (*BLIND, *MORE)
