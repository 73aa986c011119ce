# SPDX-License-Identifier: Apache-2.0
# Stand-in for the platform's step: the pause image comes from a file, never from a registry.
# shellcheck shell=bash disable=SC2153 # PAUSE_* are in node.env
if [[ -z $(/opt/deckhouse/bin/ctr -n k8s.io images ls -q "name==$PAUSE_REFERENCE") ]]; then
  /opt/deckhouse/bin/ctr -n k8s.io images import --local "$PAUSE_ARCHIVE"
  /opt/deckhouse/bin/ctr -n k8s.io images label "$PAUSE_REFERENCE" io.cri-containerd.pinned=pinned
fi
