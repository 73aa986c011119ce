# SPDX-License-Identifier: Apache-2.0
[Unit]
Description=Keep containerd's registry.d as Secret d8-system/registry-node-plan says (one round)
After=network-online.target
Wants=network-online.target
# A burst of foreign writes must not make systemd give up on the path unit.
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/opt/deckhouse/bin/registry-node run
Environment=PATH=/opt/deckhouse/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
UMask=0077
# Masters may pull images while they prove; each command inside is bounded by itself.
TimeoutStartSec=30min
# A round every few seconds: keep "Starting" and "Finished" out of the journal, the program says what it changed.
LogLevelMax=notice
SyslogIdentifier=registry-node
