#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stand-in for bashible: one round of a node. Fetches the bundle of its group with the kubelet's identity and, when
# the bundle's text changed or the node was rebooted, sources its steps in order. A failing step ends the round and
# so holds the later ones; the timer starts the next round.
# Simpler than the platform's: no approval by node-manager, no step is waited for by other nodes.
set -Eeuo pipefail
umask 022

BASHIBLE=/var/lib/bashible
RUN=/run/bashible
KUBELET=/etc/kubernetes/kubelet.conf
JQ=/opt/deckhouse/bin/jq
# shellcheck source=/dev/null
source "$BASHIBLE/node.env" # NODE_GROUP

D8_NODE_HOSTNAME=$(hostname)
FIRST_BASHIBLE_RUN=no # a node of the box has joined before its first round
export D8_NODE_HOSTNAME FIRST_BASHIBLE_RUN

if [[ ! -s $KUBELET ]]; then
  echo "no $KUBELET yet: waiting for the kubelet to join"
  exit 0
fi
mkdir -p "$RUN"
chmod 0700 "$RUN" "$BASHIBLE"

# The box writes kubeconfigs as JSON, which is YAML too.
if [[ ! -s $RUN/curl.conf || $KUBELET -nt $RUN/curl.conf ]]; then
  "$JQ" -r '.clusters[0].cluster["certificate-authority-data"] | @base64d' "$KUBELET" > "$RUN/ca.pem"
  (umask 077 && "$JQ" -r '.users[0].user | (.["client-certificate-data"], .["client-key-data"]) | @base64d' \
    "$KUBELET" > "$RUN/client.pem")
  printf '%s\n' silent show-error fail 'max-time = 20' "cacert = \"$RUN/ca.pem\"" "cert = \"$RUN/client.pem\"" > "$RUN/curl.conf"
fi
server=$("$JQ" -r '.clusters[0].cluster.server' "$KUBELET")
secret="$server/api/v1/namespaces/d8-cloud-instance-manager/secrets/bashible-bundle-$NODE_GROUP"

if ! metadata=$(curl --config "$RUN/curl.conf" "$secret?resourceVersion=0" \
  -H 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'); then
  echo "the bundle of node group $NODE_GROUP cannot be read: the node stays as it is"
  exit 0
fi
seen=$("$JQ" -r '.metadata | "\(.uid) \(.resourceVersion)"' <<< "$metadata")
[[ ! -f $RUN/seen || $(< "$RUN/seen") != "$seen" ]] || exit 0

curl --config "$RUN/curl.conf" "$secret" | "$JQ" -r '.data["bundle.json"] | @base64d' > "$RUN/bundle.json"
checksum=$("$JQ" -r .checksum "$RUN/bundle.json")
if [[ -f $RUN/booted && -f $BASHIBLE/configuration_checksum && $(< "$BASHIBLE/configuration_checksum") == "$checksum" ]]; then
  echo "$seen" > "$RUN/seen"
  exit 0
fi

rm -rf "$RUN/steps"
mkdir -m 0700 "$RUN/steps"
count=$("$JQ" '.steps | length' "$RUN/bundle.json")
for ((i = 0; i < count; i++)); do
  name=$("$JQ" -r ".steps[$i].name" "$RUN/bundle.json")
  (umask 077 && "$JQ" -j ".steps[$i].content" "$RUN/bundle.json" > "$RUN/steps/$name")
done

for step in "$RUN"/steps/*; do
  echo "=== Step: ${step##*/}"
  # shellcheck disable=SC2016
  if ! bash -Eeuo pipefail -c 'source "$1/bashbooster.sh"; source "$2"; bb-finish-step' bashible "$BASHIBLE" "$step"; then
    echo "=== Step ${step##*/} failed; it is tried again in the next round, later steps wait for it"
    exit 1
  fi
done
echo "$checksum" > "$BASHIBLE/configuration_checksum"
touch "$RUN/booted"
/opt/deckhouse/bin/kubectl --kubeconfig="$KUBELET" annotate node "$D8_NODE_HOSTNAME" --overwrite \
  "node.deckhouse.io/configuration-checksum=$checksum" > /dev/null
echo "$seen" > "$RUN/seen"
echo "=== All $count steps are done"
