# SPDX-License-Identifier: Apache-2.0
# Stand-in for the platform's step: an update runs only when node-manager has approved it for this node. The text of the
# later steps is that of when the wait began, however long it was.
# shellcheck shell=bash
if [[ $FIRST_BASHIBLE_RUN == yes || $BASHIBLE_IS_UPDATE != yes ]]; then
  return 0
fi

is-approved() {
  bb-curl-kube "/api/v1/nodes/$D8_NODE_HOSTNAME" -H 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' |
    /opt/deckhouse/bin/jq -e '.metadata.annotations | has("update.node.deckhouse.io/approved")' > /dev/null
}

if ! is-approved; then
  bb-log-info "waiting for update.node.deckhouse.io/approved on Node $D8_NODE_HOSTNAME"
  bb-annotate-node '{"update.node.deckhouse.io/waiting-for-approval": ""}'
  until is-approved; do sleep 1; done
fi
