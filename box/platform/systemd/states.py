# SPDX-License-Identifier: Apache-2.0
"""States of units, as systemd names them."""

from enum import Enum


class ActiveState(Enum):
    """The state that `systemctl is-active` prints."""

    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    FAILED = "failed"

    @property
    def is_down(self) -> bool:
        """Whether nothing of the unit runs."""
        return self in {ActiveState.INACTIVE, ActiveState.FAILED}


class Result(Enum):
    """Why a unit ended, in the words of `systemctl show -p Result`."""

    SUCCESS = "success"
    EXIT_CODE = "exit-code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    RESOURCES = "resources"
    PROTOCOL = "protocol"
    START_LIMIT_HIT = "start-limit-hit"
    UNIT_START_LIMIT_HIT = "unit-start-limit-hit"


START_FAILURES = {
    Result.EXIT_CODE: "the control process exited with error code",
    Result.SIGNAL: "a fatal signal was delivered to the control process",
    Result.TIMEOUT: "a timeout was exceeded",
    Result.RESOURCES: "of unavailable resources or another system error",
    Result.PROTOCOL: "the service did not take the steps required by its unit configuration",
    Result.START_LIMIT_HIT: "start of the service was attempted too often",
}
"""How `systemctl start` words a failed job."""
