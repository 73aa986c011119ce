# SPDX-License-Identifier: Apache-2.0
[Unit]
Description=Rounds of registry-node (the interval comes with the node plan: see registry-node.timer.d in /run)

[Timer]
OnBootSec=5s
OnUnitInactiveSec=20s
RandomizedDelaySec=2s
AccuracySec=250ms

[Install]
WantedBy=timers.target
