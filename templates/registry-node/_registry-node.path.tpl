# SPDX-License-Identifier: Apache-2.0
[Unit]
Description=Notice a foreign write to registry-node's folders (those of real hosts: see registry-node.path.d in /run)

[Path]
PathChanged=/etc/containerd/registry.d/registry.d8-system.svc:5001
Unit=registry-node.service

[Install]
WantedBy=paths.target
