# SPDX-License-Identifier: Apache-2.0
"""Which unit file directives this stand-in obeys, and which it knowingly accepts without effect."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OBEYED: dict[str, frozenset[str]] = {
    "Unit": _words("After Before Wants Requires ConditionPathExists StartLimitIntervalSec StartLimitBurst"),
    "Service": _words("""
        Type ExecStart ExecStartPre ExecStartPost ExecStop ExecStopPost ExecReload Environment EnvironmentFile
        WorkingDirectory Restart RestartSec KillMode KillSignal TimeoutStartSec TimeoutStopSec TimeoutSec
        RemainAfterExit SuccessExitStatus RuntimeDirectory StateDirectory Nice UMask StandardOutput StandardError
        LogLevelMax
    """),
    "Timer": _words("""
        OnBootSec OnStartupSec OnActiveSec OnUnitActiveSec OnUnitInactiveSec RandomizedDelaySec AccuracySec Unit
    """),
    "Path": _words("PathExists PathChanged PathModified Unit"),
    "Install": _words("WantedBy RequiredBy Also"),
}
"""Directives with the effect that systemd gives them."""

ACCEPTED: dict[str, frozenset[str]] = {
    "Unit": _words("Description Documentation"),
    "Service": _words("""
        Delegate IOSchedulingClass IOSchedulingPriority CPUSchedulingPolicy SyslogIdentifier NotifyAccess
        LimitNOFILE LimitNPROC LimitCORE TasksMax OOMScoreAdjust MemoryMax MemoryHigh CPUWeight CPUQuota IOWeight
        Slice NoNewPrivileges PrivateTmp PrivateDevices ProtectSystem ProtectHome ProtectClock ProtectHostname
        ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProtectControlGroups ReadWritePaths
        ReadOnlyPaths RestrictAddressFamilies RestrictNamespaces RestrictRealtime RestrictSUIDSGID LockPersonality
        MemoryDenyWriteExecute SystemCallArchitectures SystemCallFilter CapabilityBoundingSet AmbientCapabilities
        SecureBits RuntimeDirectoryMode StateDirectoryMode
    """),
    "Timer": _words("Persistent"),
    "Path": _words(""),
    "Install": _words(""),
}
"""Directives without effect here: a node of the box has no resource control per unit and no sandboxing."""


def find_directive_problem(section: str, key: str) -> str | None:
    """Say why `key` in `[section]` has no place in a unit here, or None when it is known."""
    if section.startswith("X-"):
        return None
    if section not in OBEYED:
        return f"unknown section [{section}]"
    if key in OBEYED[section] or key in ACCEPTED[section]:
        return None
    return f"directive {key}= in [{section}] is not known to the stand-in for systemd"
