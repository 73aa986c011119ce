#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stand-in for bashible: one round of a node. Fetches the bundle of its group and, when the bundle's text changed or the
# node was rebooted, sources its steps in order. A failing step ends the round and so holds the later ones; the timer
# starts the next round. Before the kubelet has joined, the bundle is fetched with the identity of the bootstrap.
set -Eeuo pipefail
umask 022

BASHIBLE=/var/lib/bashible
RUN=/run/bashible
JQ=/opt/deckhouse/bin/jq
set -a # the steps are processes of their own
# shellcheck source=/dev/null
source "$BASHIBLE/node.env" # NODE_GROUP, API_SERVER, PAUSE_ARCHIVE, PAUSE_REFERENCE
D8_NODE_HOSTNAME=$(hostname)
FIRST_BASHIBLE_RUN=no
BASHIBLE_IS_UPDATE=yes
set +a

identity=/var/lib/kubelet/pki/kubelet-client-current.pem
if [[ ! -s /etc/kubernetes/kubelet.conf ]]; then
  FIRST_BASHIBLE_RUN=yes
  identity=$BASHIBLE/bootstrap.pem
fi
mkdir -p "$RUN"
chmod 0700 "$RUN" "$BASHIBLE"
printf '%s\n' silent show-error fail 'max-time = 20' 'cacert = "/etc/kubernetes/pki/ca.crt"' "cert = \"$identity\"" \
  > "$RUN/curl.conf"
# shellcheck source=box/platform/node/bashbooster.sh
source "$BASHIBLE/bashbooster.sh"

tell() { # the Node, what it is configured with
  [[ ! -f $RUN/told || $(< "$RUN/told") != "$1" ]] || return 0
  bb-annotate-node "{\"node.deckhouse.io/configuration-checksum\": \"$1\"}"
  echo "$1" > "$RUN/told"
}

secret="/api/v1/namespaces/d8-cloud-instance-manager/secrets/bashible-bundle-$NODE_GROUP"
if ! metadata=$(bb-curl-kube "$secret?resourceVersion=0" \
  -H 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'); then
  echo "the bundle of node group $NODE_GROUP cannot be read: the node stays as it is"
  exit 0
fi
seen=$("$JQ" -r '.metadata | "\(.uid) \(.resourceVersion)"' <<< "$metadata")
[[ ! -f $RUN/seen || $(< "$RUN/seen") != "$seen" ]] || exit 0

bb-curl-kube "$secret" | "$JQ" -r '.data["bundle.json"] | @base64d' > "$RUN/bundle.json"
checksum=$("$JQ" -r .checksum "$RUN/bundle.json")
if [[ -f $BASHIBLE/configuration_checksum && $(< "$BASHIBLE/configuration_checksum") == "$checksum" ]]; then
  export BASHIBLE_IS_UPDATE=no
  if [[ -f $RUN/booted ]]; then
    tell "$checksum"
    echo "$seen" > "$RUN/seen"
    exit 0
  fi
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
echo "=== All $count steps are done"
# The next round after a first one runs all steps once more: now there is a Node to tell.
[[ $FIRST_BASHIBLE_RUN == no ]] || exit 0
touch "$RUN/booted"
tell "$checksum"
echo "$seen" > "$RUN/seen"
