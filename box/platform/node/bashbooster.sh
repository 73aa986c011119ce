# SPDX-License-Identifier: Apache-2.0
# Stand-in for the helpers that bashible gives a step. Sourced before each step, never run by itself.
# shellcheck shell=bash

BB_WORKSPACE=${BB_WORKSPACE:-/var/lib/bashible}
BB_UNHANDLED=$BB_WORKSPACE/unhandled_synced_files
BB_TEMPORARY=$(mktemp -d /tmp/bashible.XXXXXX)
trap 'rm -rf "$BB_TEMPORARY"' EXIT
declare -A BB_HANDLERS=()
BB_DELAYED=()

bb-log-info() { echo "[ INFO ] $*" >&2; }
bb-log-warning() { echo "[ WARNING ] $*" >&2; }
bb-log-error() { echo "[ ERROR ] $*" >&2; }
bb-log-debug() { :; }

bb-tmp-file() { mktemp "$BB_TEMPORARY/file.XXXXXX"; }
bb-tmp-dir() { mktemp -d "$BB_TEMPORARY/dir.XXXXXX"; }

bb-kubectl() { /opt/deckhouse/bin/kubectl "$@"; }

# bb-curl-kube PATH [CURL'S ARGUMENTS…]: a request to the API with the identity that the node has at the moment.
bb-curl-kube() { curl --config /run/bashible/curl.conf "${@:2}" "$API_SERVER$1"; }

# bb-annotate-node JSON: merge annotations into the node's own Node.
bb-annotate-node() {
  bb-curl-kube "/api/v1/nodes/$D8_NODE_HOSTNAME" --request PATCH --output /dev/null \
    --header 'Content-Type: application/merge-patch+json' --data "{\"metadata\": {\"annotations\": $1}}"
}

# bb-label-node JSON: the same for labels.
bb-label-node() {
  bb-curl-kube "/api/v1/nodes/$D8_NODE_HOSTNAME" --request PATCH --output /dev/null \
    --header 'Content-Type: application/merge-patch+json' --data "{\"metadata\": {\"labels\": $1}}"
}

bb-flag-set() { mkdir -p "$BB_WORKSPACE/flag" && touch "$BB_WORKSPACE/flag/$1"; }
bb-flag-unset() { rm -f "$BB_WORKSPACE/flag/$1"; }
bb-flag?() { [[ -f "$BB_WORKSPACE/flag/$1" ]]; }

# bb-event-on EVENT FUNCTION: call FUNCTION when EVENT is fired; the same function once only.
bb-event-on() {
  [[ " ${BB_HANDLERS[$1]:-} " == *" $2 "* ]] || BB_HANDLERS[$1]+=" $2"
}

# bb-event-fire EVENT [ARGUMENT…]: call the handlers now.
bb-event-fire() {
  local event=$1 handler
  shift
  for handler in ${BB_HANDLERS[$event]:-}; do
    bb-log-info "Run handler $handler of event $event"
    "$handler" "$@"
  done
}

# bb-event-delay EVENT [ARGUMENT…]: call the handlers when the step is done; equal events once.
bb-event-delay() {
  (($# == 0)) && return 0
  local event
  event=$(printf '%q ' "$@")
  local seen
  for seen in "${BB_DELAYED[@]}"; do [[ $seen == "$event" ]] && return 0; done
  BB_DELAYED+=("$event")
}

# bb-sync-file DST SRC|- [EVENT [ARGUMENT…]]: write only when different; a change fires the event at the step's end.
# A file whose event was not handled, because the step failed, counts as changed the next time.
bb-sync-file() {
  local destination=$1 source=$2 changed=no
  shift 2
  if [[ $source == - ]]; then
    source=$(bb-tmp-file)
    cat > "$source"
  fi
  if [[ -f $BB_UNHANDLED ]] && grep -Fxq -- "$destination" "$BB_UNHANDLED"; then changed=yes; fi
  if [[ ! -f $destination ]] || ! cmp -s "$source" "$destination"; then
    cp -f -p "$source" "$destination"
    changed=yes
    echo "$destination" >> "$BB_UNHANDLED"
  fi
  if [[ $changed == yes ]]; then
    bb-event-fire bb-sync-file-changed "$destination"
    bb-event-delay "$@"
  fi
}

# What the runner calls after the step: delayed events, also those that a handler delays.
bb-finish-step() {
  local events event
  while ((${#BB_DELAYED[@]})); do
    events=("${BB_DELAYED[@]}")
    BB_DELAYED=()
    for event in "${events[@]}"; do eval "bb-event-fire $event"; done
  done
  rm -f "$BB_UNHANDLED"
}
