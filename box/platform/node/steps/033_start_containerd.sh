# SPDX-License-Identifier: Apache-2.0
# Stand-in for the platform's step: containerd runs, and with the configuration that step 032 wrote. Containers live on
# over a restart (KillMode=process).
# shellcheck shell=bash
systemctl enable containerd.service
# shellcheck disable=SC2211 # the name ends in a question mark
if bb-flag? containerd-need-restart; then
  bb-log-info "containerd is restarted: its configuration changed"
  systemctl restart containerd.service
  bb-flag-unset containerd-need-restart
else
  systemctl start containerd.service
fi
