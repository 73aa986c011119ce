#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# registry-node: keeps what containerd reads below registry.d as Secret d8-system/registry-node-plan says.
#
#   registry-node run      one round: ask, prove, write, report (what the systemd timer and path unit start)
#   registry-node status   what is live on this node, and why
#
# It is safe at any time, any number of times, killed at any line: whatever it decides is first written beside, then
# taken over by one rename. `current` (what is to be live) only moves after every proof of a new layout has passed;
# making the live files equal to `current` is then the same code that repairs a foreign change.
#
#   /var/lib/registry-node/          (0700: it holds passwords, as hosts.toml does)
#     layouts/<token>/folders/…      files as they are to be live          layouts/<token>/counter
#     layouts/<token>/proofs/<n>/    meta, hosts/<host>/… (staged folder with that source alone)
#     current, candidate             symlinks to a layout: live; not proven yet
#     owned                          folders of registry.d that this program made, one a line
#     seen                           uid and resourceVersion of the Secret that was read last
#     passed, pinned                 ids of proofs that passed; references pinned in containerd
#     trial                          the candidate's failure: token, attempts, not before, class, message
#     restored                       token of a plan that is older than what this node applied
#     interval, dial, reported       seconds; milliseconds; what the Node's annotation was last told
#   /run/registry-node/              what may be lost at a reboot: API client, answers, containerd's start
#
# Helm reads this file as a template and bashible reads it as another: it holds no pair of opening braces.

set -o nounset -o pipefail
export LC_ALL=C TZ=UTC
umask 077

PROGRAM=1
ROOT="${REGISTRY_NODE_ROOT:-}" # another root folder, for tests
LIVE="$ROOT/etc/containerd/registry.d"
CONFIG="$ROOT/etc/containerd"
KEEP="$ROOT/var/lib/registry-node"
RUN="$ROOT/run/registry-node"
UNITS="$ROOT/run/systemd/system"
KUBECONFIG_FILE="$ROOT/etc/kubernetes/kubelet.conf"

METADATA='application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
SECRET=/api/v1/namespaces/d8-system/secrets/registry-node-plan
NEVER=9999999999

SERVER='' NODE='' STATUS='' REPLY=''
ERROR_CLASS='' ERROR_MESSAGE='' ERROR_TOKEN=''
CONFIG_PATH=false CUSTOM_CONFIG=false
STALE=() WENT_LIVE=''

# ---------------------------------------------------------------------------------------------------------- small

log() {
  # Under systemd as "notice": the unit keeps back "info", or each round would leave two lines in the journal.
  echo "${INVOCATION_ID:+<5>}registry-node: $*" >&2
}

log_once() { # KIND MESSAGE: the same message of a kind is logged once
  if ! read_text "$RUN/said-$1" || [[ $REPLY != "$2"$'\n' ]]; then
    log "$2"
    echo "$2" >"$RUN/said-$1"
  fi
}

read_text() { # FILE: its whole text in REPLY, without a process
  REPLY=''
  [[ -f $1 && -r $1 ]] || return 1
  IFS= read -r -d '' REPLY <"$1"
  return 0
}

read_line() { # FILE: its first line in REPLY, empty without a file
  REPLY=''
  [[ -f $1 ]] && IFS= read -r REPLY <"$1"
  return 0
}

write_text() { # FILE TEXT: old or new, never half
  printf '%s' "${2:+$2$'\n'}" >"$1.part" && sync "$1.part" && mv -fT "$1.part" "$1"
}

point() { # LINK TARGET: move a symlink in one step
  ln -sfnT "$2" "$1.part" && mv -fT "$1.part" "$1"
}

token_of() { # LINK: the token that a symlink names, in REPLY
  REPLY=''
  [[ -L $1 ]] || return 1
  REPLY=$(readlink "$1")
  REPLY=${REPLY##*/}
}

fail() { # CLASS MESSAGE
  ERROR_CLASS=$1
  ERROR_MESSAGE=$2
  return 1
}

# ------------------------------------------------------------------------------------------------ the API, as the kubelet

field() { # TEXT KEY: a scalar of a kubeconfig (YAML or JSON), in REPLY
  REPLY=''
  [[ $1 =~ (^|[[:space:],{\"])$2\"?:[[:space:]]*[\"\']?([^]\"\',[:space:]}]+) ]] && REPLY=${BASH_REMATCH[2]}
  return 0
}

pem() { # TEXT KEY: the file of a kubeconfig's KEY or KEY-data, in REPLY
  local text=$1 key=$2
  field "$text" "$key-data"
  if [[ -n $REPLY ]]; then
    base64 -d <<<"$REPLY" >"$RUN/$key.pem" || return 1
    REPLY="$RUN/$key.pem"
    return 0
  fi
  field "$text" "$key"
  [[ -z $REPLY || $REPLY == /* ]] || REPLY="${KUBECONFIG_FILE%/*}/$REPLY"
}

connect() { # SERVER and NODE, and curl's settings, from the kubelet's kubeconfig
  local text server='' ca='' cert='' key=''
  if [[ ! -s $KUBECONFIG_FILE ]]; then
    log_once api "no $KUBECONFIG_FILE yet: nothing to do before the kubelet has joined"
    return 1
  fi
  if [[ -s $RUN/api && $RUN/api -nt $KUBECONFIG_FILE ]]; then
    { IFS= read -r SERVER && IFS= read -r NODE; } <"$RUN/api"
    return 0
  fi
  read_text "$KUBECONFIG_FILE"
  text=$REPLY
  field "$text" server && server=$REPLY
  pem "$text" certificate-authority && ca=$REPLY
  pem "$text" client-certificate && cert=$REPLY
  pem "$text" client-key && key=$REPLY
  if [[ -z $server || -z $ca || -z $cert || -z $key ]]; then
    log_once api "$KUBECONFIG_FILE names no server, CA or client certificate: the kubelet has not joined yet"
    return 1
  fi
  printf '%s\n' silent show-error 'noproxy = "*"' 'connect-timeout = 5' 'max-time = 20' \
    "user-agent = \"registry-node/$PROGRAM\"" "dump-header = \"$RUN/headers\"" \
    "cacert = \"$ca\"" "cert = \"$cert\"" "key = \"$key\"" >"$RUN/curl.conf" || return 1
  SERVER=$server
  # The name under which the API knows this kubelet is the only Node that it may patch.
  api POST /apis/authentication.k8s.io/v1/selfsubjectreviews application/json \
    --header 'Content-Type: application/json' \
    --data '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' || return 1
  if [[ ! $REPLY =~ \"username\":[[:space:]]*\"system:node:([a-z0-9.-]+)\" ]]; then
    log_once api "the API server does not take $KUBECONFIG_FILE for a kubelet's (HTTP $STATUS)"
    return 1
  fi
  NODE=${BASH_REMATCH[1]}
  printf '%s\n' "$SERVER" "$NODE" >"$RUN/api.part" && mv -fT "$RUN/api.part" "$RUN/api"
}

api() { # METHOD PATH ACCEPT [curl's arguments…]: HTTP status in STATUS, body in REPLY
  local curl=curl
  [[ -x /opt/deckhouse/bin/d8-curl ]] && curl=/opt/deckhouse/bin/d8-curl
  REPLY=$("$curl" --config "$RUN/curl.conf" --request "$1" --header "Accept: $3" --write-out '\n%{http_code}' \
    "${@:4}" "$SERVER$2" 2>"$RUN/curl.err")
  STATUS=${REPLY##*$'\n'}
  REPLY=${REPLY%$'\n'*}
  if [[ -z $STATUS || $STATUS == 000 ]]; then
    read_line "$RUN/curl.err"
    log_once api "the API server does not answer, nothing changes: ${REPLY:-no reason given}"
    return 1
  fi
}

# ------------------------------------------------------------------------------------------------------- the plan

ask_plan() { # take the plan over if it is another one than was read last
  local seen
  api GET "$SECRET?resourceVersion=0" "$METADATA" || return 1
  if [[ $STATUS != 200 ]]; then
    log_once api "Secret d8-system/registry-node-plan: HTTP $STATUS, nothing changes"
    return 1
  fi
  rm_said api
  [[ $REPLY =~ \"uid\":[[:space:]]*\"([^\"]+)\" ]] && seen=${BASH_REMATCH[1]}
  [[ $REPLY =~ \"resourceVersion\":[[:space:]]*\"([^\"]+)\" ]] && seen+=" ${BASH_REMATCH[1]}"
  read_line "$KEEP/seen"
  [[ -n ${seen:-} && $REPLY == "$seen" ]] && return 0
  take_plan
}

rm_said() { # KIND: what was complained about is over
  [[ ! -e $RUN/said-$1 ]] || rm -f "$RUN/said-$1"
}

# One line a fact, fields parted by "|", file contents as base64. A plan that names anything but host folders and
# their files is refused as a whole.
# shellcheck disable=SC2016  # jq's own variables
PLAN_LINES='
def only($pattern): if type == "string" and test("\\A(?:" + $pattern + ")\\z") then . else error("unexpected value") end;
def hostname: only("[0-9A-Za-z][0-9A-Za-z.-]*(:[0-9]{1,5})?");
def image: only("[0-9A-Za-z][0-9A-Za-z.-]*(:[0-9]+)?/[0-9A-Za-z._/-]+(:[0-9A-Za-z._-]+)?(@sha256:[0-9a-f]{64})?");
def number: if type == "number" and . == floor and . >= 0 then tostring else error("unexpected number") end;
def entry($folder):
  "file|" + $folder + "|" + (.name | only("hosts\\.toml|ca-[0-9a-f]{12}\\.crt")) + "|" + (.mode | only("0600|0644"))
  + "|" + (.content | @base64);
.metadata as $secret
| (.data.plan // error("no key plan")) | @base64d | fromjson
| if .schema == 1 then . else error("schema \(.schema) is not 1: a newer release wrote it") end
| . as $plan
| (if .canaries != null and (.canaries.nodes | index([$node])) then .canaries.layout else .default end) as $name
| .layouts[$name]
| "plan|" + $secret.uid + "|" + $secret.resourceVersion + "|" + ($plan.counter | number) + "|"
  + (.token | only("[0-9]+\\.[0-9A-Za-z]+\\.[0-9a-f]+")) + "|" + ($plan.intervalSeconds | number),
  ($plan.layouts[].proofs[] | "known|" + (.id | only("[0-9a-f]{64}"))),
  ($plan.layouts[].proofs[].masterPulls[] | "keep|" + image),
  (.folders[] | .name as $folder | .files[] | entry("folders/" + ($folder | hostname))),
  (.proofs | to_entries[] | "proofs/\(.key)" as $path | .value
    | "proof|" + $path + "|" + .id + "|" + (.reference | image) + "|" + (.address | hostname)
      + "|" + (.deadlineSeconds | number) + "|" + (.masterPulls | join(" ")),
      (.host as $folder | .files[] | entry($path + "/hosts/" + ($folder | hostname)))),
  "end"'

take_plan() { # read the whole Secret and stage this node's layout as candidate
  local kind a b c d e f uid='' version='' counter='' token='' interval='' complete='' known='' keep=''
  local new="$KEEP/layouts/.new" current_counter=0
  api GET "$SECRET" application/json --output "$RUN/secret.json" || return 1
  [[ $STATUS == 200 ]] || { log_once api "Secret d8-system/registry-node-plan: HTTP $STATUS, nothing changes"; return 1; }
  if ! jq -r --arg node "$NODE" "$PLAN_LINES" "$RUN/secret.json" >"$RUN/plan.lines" 2>"$RUN/jq.err"; then
    read_line "$RUN/jq.err"
    rm -f "$RUN/secret.json" "$RUN/plan.lines"
    log_once plan "Secret d8-system/registry-node-plan is not understood, nothing changes: ${REPLY:0:200}"
    fail other "node plan not understood: ${REPLY:0:200}"
    return 1
  fi
  rm -f "$RUN/secret.json"
  if ! { chmod 0700 "$KEEP" && rm -rf "$new" && mkdir -p "$new/folders" "$new/proofs"; }; then
    no_space "$new"
    return 1
  fi
  while IFS='|' read -r kind a b c d e f; do
    case $kind in
      plan) uid=$a version=$b counter=$c token=$d interval=$e ERROR_TOKEN=$d ;;
      known) known+="$a"$'\n' ;;
      keep) keep+="$a"$'\n' ;;
      file)
        { mkdir -p "$new/$a" && base64 -d <<<"$d" >"$new/$a/$b" && chmod "$c" "$new/$a/$b"; } ||
          { no_space "$new"; return 1; }
        ;;
      proof)
        { mkdir -p "$new/$a" && printf '%s\n' "$b" "$c" "$d" "$e" "$f" >"$new/$a/meta"; } ||
          { no_space "$new"; return 1; }
        ;;
      end) complete=yes ;;
    esac
  done <"$RUN/plan.lines"
  rm -f "$RUN/plan.lines"
  [[ -n $complete ]] || { fail other "node plan incomplete"; return 1; }
  rm_said plan
  [[ -L $KEEP/current ]] && read_line "$KEEP/current/counter" && current_counter=$REPLY
  if ((counter < current_counter)); then
    log "the plan's counter $counter is lower than $current_counter, which this node applied: nothing changes"
    rm -rf "$new"
    write_text "$KEEP/restored" "$token" && write_text "$KEEP/seen" "$uid $version"
    return
  fi
  if ! { echo "$counter" >"$new/counter" && stage "$new" "$token" && forget_proofs "$known" && unpin "$keep" &&
    write_text "$KEEP/interval" "$interval" && rm -f "$KEEP/restored" && write_text "$KEEP/seen" "$uid $version"; }; then
    no_space "$KEEP"
    return 1
  fi
  ERROR_TOKEN=''
}

no_space() { # WHERE
  fail disk "cannot write below $1: disk full or read-only?"
}

stage() { # FOLDER TOKEN: make it the candidate, unless it is what is current
  local old
  token_of "$KEEP/current" && [[ $REPLY == "$2" ]] && { rm -rf "$1" "$KEEP/candidate" "$KEEP/trial"; return; }
  if [[ -d $KEEP/layouts/$2 ]]; then rm -rf "$1"; else sync -f "$1" && mv -T "$1" "$KEEP/layouts/$2" || return 1; fi
  token_of "$KEEP/candidate" && old=$REPLY
  [[ ${old:-} == "$2" ]] || rm -f "$KEEP/trial"
  point "$KEEP/candidate" "layouts/$2" || return 1
  drop_layouts
}

drop_layouts() { # layouts that nothing points to
  local path current candidate
  token_of "$KEEP/current"
  current=$REPLY
  token_of "$KEEP/candidate"
  candidate=$REPLY
  for path in "$KEEP"/layouts/*; do
    [[ ${path##*/} == "$current" || ${path##*/} == "$candidate" || ! -e $path ]] || rm -rf "$path"
  done
}

forget_proofs() { # IDS: a proof that no layout of the plan lists has to be passed again later
  local id role left=''
  [[ -f $KEEP/passed ]] || return 0
  while read -r id role; do
    [[ $'\n'$1 == *$'\n'"$id"$'\n'* ]] && left+="$id $role"$'\n'
  done <"$KEEP/passed"
  write_text "$KEEP/passed" "${left%$'\n'}"
}

# ---------------------------------------------------------------------------------------------------------- proof

try_candidate() { # prove what is new; then it is current
  local proof now token attempts not_before=0
  [[ -L $KEEP/candidate ]] || return 0
  token_of "$KEEP/candidate"
  token=$REPLY
  if [[ -f $KEEP/trial ]]; then
    { read -r _ && read -r attempts && read -r not_before; } <"$KEEP/trial"
    printf -v now '%(%s)T' -1
    ((now >= not_before)) || return 0
  fi
  if ! is_free "$KEEP/candidate/folders"; then
    postpone "$token" "${attempts:-0}"
    return 0
  fi
  for proof in "$KEEP/layouts/$token"/proofs/*; do
    [[ -f $proof/meta ]] || continue
    prove "$proof" && continue
    postpone "$token" "${attempts:-0}"
    return 0
  done
  point "$KEEP/current" "layouts/$token" && rm -f "$KEEP/candidate" "$KEEP/trial" && drop_layouts
  WENT_LIVE=$token
  log "$token goes live"
}

is_free() { # FOLDERS: none of them is a user's own
  local path name
  for path in "$1"/*; do
    name=${path##*/}
    is_owned "$name" && continue
    if [[ $name == *:* && -e $LIVE/${name%:*}_${name##*:}_ ]]; then
      fail other "$LIVE/${name%:*}_${name##*:}_ is not ours and containerd prefers it to $name: move it away"
      return 1
    fi
    [[ -e $LIVE/$name || -L $LIVE/$name ]] || continue
    # The platform's own step keeps a list of its folders; those are handed over.
    read_text "$LIVE/deckhouse_hosts_state.json" && [[ $REPLY == *"\"$name\""* ]] && continue
    is_as_wanted "$path" && continue
    fail other "$LIVE/$name was made by someone else and is left alone: move it away to let the switch go on"
    return 1
  done
}

is_owned() { # FOLDER
  local name
  [[ -f $KEEP/owned ]] || return 1
  while IFS= read -r name; do [[ $name == "$1" ]] && return 0; done <"$KEEP/owned"
  return 1
}

is_as_wanted() { # FOLDER OF A LAYOUT: the live one has the same hosts.toml
  local wanted
  read_text "$1/hosts.toml" && wanted=$REPLY
  read_text "$LIVE/${1##*/}/hosts.toml" && [[ $REPLY == "${wanted:-}" ]]
}

postpone() { # TOKEN ATTEMPTS: keep the failure, and when to try again
  local attempts=$(($2 + 1)) now wait
  printf -v now '%(%s)T' -1
  wait=$((attempts > 6 ? 300 : 5 << (attempts - 1)))
  ((wait <= 300)) || wait=300
  [[ $ERROR_CLASS != rate-limited ]] || ((wait >= 60)) || wait=60
  wait=$((now + wait + RANDOM % (wait / 4 + 1)))
  # A refused password is not tried again with the same plan: registries lock accounts.
  [[ $ERROR_CLASS != auth ]] || wait=$NEVER
  log_once proof "$1: not proven ($ERROR_CLASS), what is live stays: $ERROR_MESSAGE"
  write_text "$KEEP/trial" "$1"$'\n'"$attempts"$'\n'"$wait"$'\n'"$ERROR_CLASS"$'\n'"$ERROR_MESSAGE"
  ERROR_CLASS='' ERROR_MESSAGE=''
}

prove() { # FOLDER OF A PROOF: fetch past the local store, with that source's own credentials
  local id reference address deadline pulls role=node hosts="$1/hosts" layer pull
  { read -r id && read -r reference && read -r address && read -r deadline && IFS= read -r pulls; } <"$1/meta"
  if [[ -n $pulls ]]; then
    is_master && role=master
    [[ -z $ERROR_CLASS ]] || return 1
  fi
  if read_text "$KEEP/passed" && [[ $'\n'$REPLY == *$'\n'"$id $role"$'\n'* ]]; then return 0; fi
  SECONDS=0
  fetch_manifest "$hosts" "$deadline" "$reference" || return 1
  layer=$(jq -r '.layers | min_by(.size).digest' "$RUN/manifest.json") || layer=''
  [[ $layer == sha256:* ]] || { fail other "$reference: its manifest has no layer"; return 1; }
  fetch "$hosts" "$deadline" /dev/null "$layer" content fetch-blob "$reference" || return 1
  dial "$address"
  if [[ $role == master ]]; then
    for pull in $pulls; do pin "$hosts" "$deadline" "$pull" || return 1; done
  fi
  log "proven: $reference answers"
  read_text "$KEEP/passed"
  write_text "$KEEP/passed" "$REPLY$id $role" && rm_said proof
}

fetch_manifest() { # HOSTS DEADLINE REFERENCE: of an index, the one of this machine; in $RUN/manifest.json
  local digest machine
  fetch "$1" "$2" "$RUN/manifest.json" "${3##*@}" content fetch-object "$3" || return 1
  case $(uname -m) in
    x86_64) machine=amd64 ;;
    aarch64) machine=arm64 ;;
    *) machine=$(uname -m) ;;
  esac
  digest=$(jq -r --arg machine "$machine" 'if has("manifests") then
      first(.manifests[] | select(.platform.os == "linux" and .platform.architecture == $machine) | .digest) // "none"
    else "" end' "$RUN/manifest.json") || { fail other "$3: its manifest is not JSON"; return 1; }
  [[ -n $digest ]] || return 0
  [[ $digest == sha256:* ]] || { fail not-found "$3: the index has no image for linux/$machine"; return 1; }
  fetch "$1" "$2" "$RUN/manifest.json" "$digest" content fetch-object "${3%@*}@$digest"
}

fetch() { # HOSTS DEADLINE FILE DIGEST content fetch-… REFERENCE: what comes must have the digest
  local hosts=$1 left=$(($2 - SECONDS)) into=$3 digest=$4 sum status reference=$7
  local -a arguments=("$reference")
  [[ $6 == fetch-object ]] || arguments+=("$digest")
  ((left > 0)) || left=1
  sum=$(exec 9>&- && run_ctr "$left" "$5" "$6" --hosts-dir "$hosts" "${arguments[@]}" 2>"$RUN/ctr.err" | tee "$into" | sha256sum)
  status=$?
  if ((status != 0)); then
    explain "$hosts" "$status" "$reference"
    return 1
  fi
  [[ $digest != sha256:* || "sha256:${sum%% *}" == "$digest" ]] ||
    fail other "$reference: the registry sent something else than $digest"
}

pin() { # HOSTS DEADLINE REFERENCE: bring an image here and keep the kubelet from removing it
  run_ctr $(($2 * 10)) images pull --hosts-dir "$1" "$3" >/dev/null 2>"$RUN/ctr.err"
  local status=$?
  if ((status != 0)); then
    explain "$1" "$status" "$3"
    return 1
  fi
  run_ctr 30 images label "$3" io.cri-containerd.pinned=pinned >/dev/null 2>"$RUN/ctr.err" ||
    { explain "$1" $? "$3"; return 1; }
  read_text "$KEEP/pinned"
  [[ $'\n'$REPLY == *$'\n'"$3"$'\n'* ]] || write_text "$KEEP/pinned" "$REPLY$3"
}

unpin() { # REFERENCES THAT STAY
  local reference left=''
  [[ -s $KEEP/pinned ]] || return 0
  while IFS= read -r reference; do
    [[ -n $reference ]] || continue
    if [[ $'\n'$1 == *$'\n'"$reference"$'\n'* ]]; then left+="$reference"$'\n'; continue; fi
    run_ctr 30 images label "$reference" io.cri-containerd.pinned= >/dev/null 2>&1 ||
      log "$reference was pinned and is not there any more"
  done <"$KEEP/pinned"
  write_text "$KEEP/pinned" "${left%$'\n'}"
}

run_ctr() { # SECONDS ARGUMENTS…: with containerd's own proxy settings, and without our lock
  local limit=$1 pid setting
  local -a settings=()
  shift
  if read_line "$RUN/containerd" && pid=${REPLY%% *} && [[ -n $pid && -r /proc/$pid/environ ]]; then
    while IFS= read -r -d '' setting; do
      [[ ${setting%%=*} =~ ^(HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy)$ ]] && settings+=("${setting%%=*}")
      [[ ${setting%%=*} =~ ^(HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy)$ ]] && export "${setting?}"
    done <"/proc/$pid/environ"
  fi
  timeout --kill-after=5 "$limit" ctr --namespace k8s.io "$@" 9>&-
  local status=$?
  [[ ${#settings[@]} == 0 ]] || unset "${settings[@]}"
  return "$status"
}

is_master() { # sets an error where the API does not say
  api GET "/api/v1/nodes/$NODE" "$METADATA" || { fail other "the API server does not say whether this is a master"; return 1; }
  [[ $STATUS == 200 ]] || { fail other "own Node: HTTP $STATUS"; return 1; }
  jq -e '.metadata.labels // {} | has("node-role.kubernetes.io/control-plane")' <<<"$REPLY" >/dev/null 2>&1
}

dial() { # ADDRESS: how long a connection takes, in milliseconds (name lookup included)
  local took
  # shellcheck disable=SC2016  # expanded by the inner shell
  took=$(timeout 5 bash -c 's=$(date +%s%N); exec 3<>"/dev/tcp/$0/$1" || exit 1; e=$(date +%s%N); echo $(((e - s) / 1000000))' \
    "${1%:*}" "${1##*:}" 2>/dev/null) || took=0
  write_text "$KEEP/dial" "$took"
}

explain() { # HOSTS STATUS REFERENCE: class and message of what ctr said, without query strings and passwords
  local text='no answer within the time given' line class password file pattern='password = "(([^"\\]|\\.)*)"'
  while IFS= read -r line; do [[ -z $line ]] || text=$line; done <"$RUN/ctr.err"
  class=$(classify "$2" "$(<"$RUN/ctr.err")")
  for file in "$1"/*/hosts.toml; do
    read_text "$file" && [[ $REPLY =~ $pattern ]] && password=${BASH_REMATCH[1]}
    [[ -n ${password:-} ]] || continue
    text=${text//"$password"/***}
    # Once more unescaped: TOML's escapes are those of printf, but for the quote.
    printf -v password '%b' "${password//'\"'/'"'}"
    text=${text//"$password"/***}
  done
  while [[ $text =~ \?[^[:space:]\"]+ ]]; do text=${text/"${BASH_REMATCH[0]}"/}; done
  text=${text//[^[:print:]]/ }
  fail "$class" "$3: ${text:0:300}"
}

classify() { # STATUS TEXT: one word for what went wrong (messages of containerd 1.7 and 2.x, and of Go's net/http)
  case $2 in
    *'no space left on device'* | *'read-only file system'*) echo disk ;;
    *'certificate has expired or is not yet valid'*) if is_clock_wrong "$2"; then echo clock; else echo tls; fi ;;
    *x509:* | *tls:* | *'HTTP response to HTTPS client'* | *'CA cert'* | *'certificate signed by'*) echo tls ;;
    *'429 Too Many Requests'* | *toomanyrequests* | *TOOMANYREQUESTS*) echo rate-limited ;;
    *'401 Unauthorized'* | *'403 Forbidden'* | *'authorization failed'* | *insufficient_scope* | *UNAUTHORIZED* | *DENIED*) echo auth ;;
    *'no such host'* | *'server misbehaving'* | *'lookup '*) echo dns ;;
    *'connection refused'* | *'no route to host'* | *'network is unreachable'* | *'connection reset'* | *'dial tcp'*) echo tcp ;;
    *'context deadline exceeded'* | *'Client.Timeout'* | *'handshake timeout'* | *'i/o timeout'*) echo timeout ;;
    *'500 Internal'* | *'502 Bad'* | *'503 Service'* | *'504 Gateway'* | *' 5'[0-9][0-9]' '*) echo server ;;
    *'404 Not Found'* | *': not found'* | *MANIFEST_UNKNOWN* | *NAME_UNKNOWN*) echo not-found ;;
    *) if (($1 == 124 || $1 == 137)); then echo timeout; else echo other; fi ;;
  esac
}

is_clock_wrong() { # TEXT: against the Date of the API server's last answer; without one, "is before" says so
  local line told='' now
  if [[ -r $RUN/headers ]]; then
    while IFS=$'\r' read -r line _; do
      [[ $line != [Dd]ate:* ]] || told=$(date -d "${line#*: }" +%s 2>/dev/null)
    done <"$RUN/headers"
  fi
  printf -v now '%(%s)T' -1
  if [[ -z $told ]]; then
    [[ $1 == *' is before '* ]]
    return
  fi
  ((now - told > 120 || told - now > 120))
}

# ------------------------------------------------------------------------------------------------------ live files

sync_live() { # make registry.d equal to `current`; a round that finds it so runs one process (stat)
  local path folder file name owned='' wanted=' '
  local -a pairs=() dirty=() loose=()
  [[ -L $KEEP/current ]] || return 0
  for path in "$KEEP"/current/folders/*/*; do
    [[ -f $path ]] || continue
    name=${path#"$KEEP/current/folders/"}
    [[ $wanted == *" ${name%/*} "* ]] || wanted+="${name%/*} "
    read_text "$path" && file=$REPLY
    if read_text "$LIVE/$name" && [[ $REPLY == "$file" && ! -L $LIVE/$name ]]; then
      pairs+=("$path" "$LIVE/$name")
    else
      dirty+=("$name")
    fi
  done
  find_wrong_modes "${pairs[@]}"
  read -r -a loose <<<"$REPLY"
  dirty+=("${loose[@]}")
  read_text "$KEEP/owned" && owned=$REPLY
  find_stale_files
  [[ ${#dirty[@]} != 0 || ${#STALE[@]} != 0 || -e $LIVE/.registry-node || " ${owned//$'\n'/ }" != "$wanted" ]] || return 0
  write_live "$wanted" "$owned" "${dirty[@]}" && return 0
  rm -rf "$LIVE/.registry-node"
  fail disk "cannot write below $LIVE: disk full or read-only?"
}

find_wrong_modes() { # WANTED LIVE WANTED LIVE…: names of live files with another mode or owner, in REPLY
  local modes
  local -a lines=()
  REPLY=''
  (($# > 0)) || return 0
  modes=$(stat -c '%a %u' "$@") || return 0
  mapfile -t lines <<<"$modes"
  local at
  for ((at = 0; at < $#; at += 2)); do
    [[ ${lines[at]} == "${lines[at + 1]}" ]] && continue
    local live=${*:at+2:1}
    REPLY+=" ${live#"$LIVE/"}"
  done
}

find_stale_files() { # CA files of ours that `current` does not name, in STALE
  local folder path
  STALE=()
  for folder in "$KEEP"/current/folders/*; do
    for path in "$LIVE/${folder##*/}"/ca-????????????.crt; do
      [[ ! -e $path || -e $KEEP/current/folders/${path#"$LIVE/"} ]] || STALE+=("$path")
    done
  done
}

write_live() { # WANTED OWNED DIRTY…: what is ours is noted before it is made; CA files before what names them
  local wanted=$1 owned=$2 name list=''
  shift 2
  for name in $wanted; do [[ $'\n'$owned == *$'\n'"$name"$'\n'* ]] || list+="$name"$'\n'; done
  (umask 022 && mkdir -p "$LIVE") && mkdir -p "$LIVE/.registry-node" || return 1
  [[ -z $list ]] || write_text "$KEEP/owned" "$owned${list%$'\n'}" || return 1
  for name in "$@"; do [[ $name == */hosts.toml ]] || put "$name" || return 1; done
  for name in "$@"; do [[ $name != */hosts.toml ]] || put "$name" || return 1; done
  [[ ${#STALE[@]} == 0 ]] || rm -f "${STALE[@]}" || return 1
  for name in $owned; do
    [[ $wanted == *" $name "* ]] && continue
    # Only files of our names go; a folder that holds anything else stays.
    rm -f "$LIVE/$name/hosts.toml" "$LIVE/$name"/ca-????????????.crt || return 1
    [[ ! -d $LIVE/$name ]] || rmdir --ignore-fail-on-non-empty "$LIVE/$name"
    log "removed $LIVE/$name"
  done
  list=''
  for name in $wanted; do list+="$name"$'\n'; done
  [[ $list == "$owned" ]] || write_text "$KEEP/owned" "${list%$'\n'}" || return 1
  rm -rf "$LIVE/.registry-node"
}

put() { # FOLDER/FILE: from `current` to registry.d, by rename
  local part="$LIVE/.registry-node/part"
  [[ -d $LIVE/${1%/*} ]] || mkdir -m 0755 "$LIVE/${1%/*}" || return 1
  cp --preserve=mode "$KEEP/current/folders/$1" "$part" && sync "$part" && mv -fT "$part" "$LIVE/$1" || return 1
  log "wrote $LIVE/$1"
}

# ------------------------------------------------------------------------------------------------------- detection

detect() { # CONFIG_PATH: the running containerd was started with config_path; CUSTOM_CONFIG: registry settings not ours
  local pid='' started='' unit path fresh=yes
  read_line "$RUN/containerd"
  read -r pid started CONFIG_PATH CUSTOM_CONFIG <<<"$REPLY"
  if [[ -z $pid ]] || ! start_of "$pid" || [[ $REPLY != "$started" ]]; then
    fresh=''
    for unit in containerd.service containerd-deckhouse.service; do
      pid=$(systemctl show -p MainPID --value "$unit" 2>/dev/null) || pid=''
      [[ $pid =~ ^[1-9][0-9]*$ ]] && start_of "$pid" && started=$REPLY && break
      pid=''
    done
    CONFIG_PATH=false
    # A configuration written after the start says nothing about what the process read. Two seconds: /proc counts in
    # ticks from a boot time that is rounded to seconds.
    [[ -n $pid ]] && is_ours_config_path && ! is_newer_than_start "$started" && CONFIG_PATH=true
  fi
  for path in "$CONFIG/config.toml" "$CONFIG/conf.d" "$CONFIG"/conf.d/*.toml; do
    [[ ! -e $path || $RUN/containerd -nt $path ]] || fresh=''
  done
  [[ -z $fresh ]] || return 0
  CUSTOM_CONFIG=false
  is_custom_config && CUSTOM_CONFIG=true
  echo "${pid:-0} ${started:-0} $CONFIG_PATH $CUSTOM_CONFIG" >"$RUN/containerd"
}

start_of() { # PID: its start in ticks since boot, in REPLY
  local -a fields
  read_line "/proc/$1/stat"
  [[ -n $REPLY ]] || return 1
  read -r -a fields <<<"${REPLY##*) }"
  REPLY=${fields[19]}
}

is_newer_than_start() { # TICKS: containerd's configuration was written after that
  local key value boot=0 written
  while read -r key value _; do [[ $key == btime ]] && boot=$value; done </proc/stat
  written=$(stat -c %Y "$CONFIG/config.toml") || return 0
  ((written > boot + $1 / $(getconf CLK_TCK) + 2))
}

scan_config() { # FILE: registry settings of the CRI plugin in it, as words in REPLY
  local line section='' found=''
  [[ -r $1 ]] || { REPLY=''; return 0; }
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line#"${line%%[![:space:]]*}"}
    case $line in
      '#'*) ;;
      '['*) section=$line ;;
    esac
    [[ $section == *cri*registry* ]] || continue
    case $section in
      *registry.mirrors* | *registry.configs* | *registry.auths* | *registry.headers*) found+=' settings' ;;
    esac
    if [[ $line =~ ^config_path[[:space:]]*=[[:space:]]*[\"\']([^\"\']*)[\"\'] && -n ${BASH_REMATCH[1]} ]]; then
      if [[ ${BASH_REMATCH[1]} == /etc/containerd/registry.d ]]; then found+=' ours'; else found+=' foreign'; fi
    fi
  done <"$1"
  REPLY=$found
}

is_ours_config_path() {
  scan_config "$CONFIG/config.toml"
  [[ $REPLY == *' ours'* ]]
}

is_custom_config() {
  # Mirrors in the main file may be the platform's own, as long as config_path is off; in a drop-in they are a user's.
  local path
  scan_config "$CONFIG/config.toml"
  [[ $REPLY != *' foreign'* ]] || return 0
  for path in "$CONFIG"/conf.d/*.toml; do
    scan_config "$path"
    [[ $REPLY != *' foreign'* && $REPLY != *' settings'* ]] || return 0
  done
  return 1
}

# --------------------------------------------------------------------------------------------------------- witness

report() { # tell the Node, if anything but the time changed (or someone else changed it)
  local token='' result='' class='' message='' dial key boot
  if [[ -f $KEEP/restored ]]; then
    read_line "$KEEP/restored"
    token=$REPLY result=restored message='this node applied a plan with a higher counter'
  elif [[ -n $ERROR_CLASS ]]; then
    token_of "$KEEP/candidate" || token_of "$KEEP/current"
    token=${ERROR_TOKEN:-$REPLY} result=failing class=$ERROR_CLASS message=$ERROR_MESSAGE
  elif [[ -L $KEEP/candidate && -f $KEEP/trial ]]; then
    { read -r token && read -r _ && read -r _ && read -r class && IFS= read -r message; } <"$KEEP/trial"
    result=failing
  elif token_of "$KEEP/current"; then
    token=$REPLY result=applied
  fi
  [[ -n $token ]] || return 0
  read_line "$KEEP/dial"
  dial=${REPLY:-0}
  read_line /proc/sys/kernel/random/boot_id
  boot=$REPLY
  key="$NODE|$token|$result|$class|$message|$CONFIG_PATH|$CUSTOM_CONFIG|$dial|$boot"
  read_line "$KEEP/reported"
  if [[ $REPLY == "$key" ]] && is_still_told "$token"; then return 0; fi
  jq -nc --argjson program "\"$PROGRAM\"" --arg token "$token" --arg result "$result" --arg class "$class" \
    --arg message "$message" --argjson configPath "$CONFIG_PATH" --argjson customConfig "$CUSTOM_CONFIG" \
    --argjson dial "$dial" --arg boot "$boot" --arg at "$(date +%Y-%m-%dT%H:%M:%SZ)" '
    {schema: 1, program: $program, token: $token, result: $result, class: $class, message: $message,
     configPath: $configPath, customConfig: $customConfig, dialMilliseconds: $dial, bootID: $boot, at: $at} | tojson
    | {metadata: {annotations: {"registry.deckhouse.io/node-report": .},
                  labels: {"registry.deckhouse.io/node-state": $result}}}' >"$RUN/patch.json" || return 1
  api PATCH "/api/v1/nodes/$NODE" "$METADATA" --header 'Content-Type: application/merge-patch+json' \
    --data-binary "@$RUN/patch.json" || return 1
  if [[ $STATUS != 200 ]]; then
    log_once report "Node $NODE could not be told: HTTP $STATUS"
    return 1
  fi
  rm_said report
  write_text "$KEEP/reported" "$key" && : >"$RUN/told"
  log "reported: $token $result${class:+ ($class)}"
}

is_still_told() { # TOKEN: every five minutes, look whether the Node still has it (it may have been made anew)
  local now told=0
  printf -v now '%(%s)T' -1
  [[ -e $RUN/told ]] && told=$(stat -c %Y "$RUN/told")
  ((now - told < 300)) && return 0
  api GET "/api/v1/nodes/$NODE" "$METADATA" || return 0
  [[ $STATUS == 200 ]] || return 0
  : >"$RUN/told"
  [[ $REPLY == *"\\\"token\\\":\\\"$1\\\""* ]]
}

# ----------------------------------------------------------------------------------------------------------- units

set_units() { # the timer follows the plan's interval, the path unit the folders that are ours
  local interval name timer paths changed=''
  read_line "$KEEP/interval"
  interval=${REPLY:-20}
  [[ $interval =~ ^[0-9]{1,4}$ ]] && ((interval > 0)) || interval=20
  # The empty line takes back the timers of the unit file; OnBootSec is left out, as it would elapse at once.
  timer=$'[Timer]\nOnUnitInactiveSec=\n'"OnUnitInactiveSec=${interval}s"$'\n'"RandomizedDelaySec=$((interval * 100))ms"
  paths='[Path]'
  if [[ -f $KEEP/owned ]]; then
    while IFS= read -r name; do
      [[ -z $name || $name == registry.d8-system.svc:5001 ]] || paths+=$'\n'"PathChanged=$LIVE/$name"
    done <"$KEEP/owned"
  fi
  [[ -f $KEEP/interval ]] && set_drop_in timer "$timer" && changed+=' registry-node.timer'
  set_drop_in path "$paths" && changed+=' registry-node.path'
  [[ -n $changed ]] || return 0
  # The new interval counts from the end of this very run: systemd computes it when the service has ended.
  # shellcheck disable=SC2086
  if ! { systemctl daemon-reload && systemctl --no-block restart $changed; }; then
    log "systemctl could not take over the interval of ${interval} s; the old one stays"
  fi
}

set_drop_in() { # KIND TEXT: true if it was another one
  local path="$UNITS/registry-node.$1.d/50-plan.conf"
  read_text "$path" && [[ $REPLY == "$2"$'\n' ]] && return 1
  (umask 022 && mkdir -p "${path%/*}") && write_text "$path" "$2" && chmod 0644 "$path"
}

# -------------------------------------------------------------------------------------------------------- commands

run() {
  local status=0
  [[ -d $RUN && -d $KEEP/layouts ]] || mkdir -p "$RUN" "$KEEP/layouts" || return 1
  exec 9>"$RUN/lock"
  if ! flock --nonblock 9; then
    log "another run is under way"
    return 0
  fi
  sync_live || { status=1; log_once disk "$ERROR_MESSAGE"; }
  connect || return "$status"
  ask_plan
  detect
  if [[ -z $ERROR_CLASS ]]; then
    try_candidate
    [[ -z $WENT_LIVE ]] || sync_live || { status=1; log_once disk "$ERROR_MESSAGE"; }
  fi
  set_units
  report
  # systemd does not watch the folders while this service runs: look once more for what came meanwhile.
  sync_live || status=1
  return "$status"
}

status() {
  local folder line token=''
  [[ -r $KEEP/layouts ]] || { echo "registry-node has not run on this node yet (or: not root)"; return 1; }
  if token_of "$KEEP/current"; then echo "live:      $REPLY"; else echo "live:      nothing of ours"; fi
  if token_of "$KEEP/candidate"; then
    token=$REPLY
    echo "candidate: $token"
    if [[ -f $KEEP/trial ]]; then
      local tried attempts next class message
      { read -r tried && read -r attempts && read -r next && read -r class && IFS= read -r message; } <"$KEEP/trial"
      echo "           not proven after $attempts attempts ($class): $message"
      if [[ $next == "$NEVER" ]]; then echo "           tried again with the next plan only"
      else printf '           tried again from %(%H:%M:%S)T UTC\n' "$next"; fi
      [[ $tried == "$token" ]] || echo "           (that was $tried)"
    fi
  fi
  [[ -f $KEEP/restored ]] && read_line "$KEEP/restored" && echo "restored:  plan $REPLY is older than what is live: ignored"
  read_line "$KEEP/interval" && echo "interval:  ${REPLY:-20} s"
  read_line "$RUN/containerd" && read -r _ _ line token <<<"$REPLY" &&
    echo "containerd: started with config_path: $line; foreign registry settings: $token"
  for folder in "$KEEP"/current/folders/*; do
    [[ -d $folder ]] || continue
    echo "$LIVE/${folder##*/}:"
    if ! is_as_wanted "$folder"; then echo "  differs from the plan; the next run puts it back"; fi
    read_text "$LIVE/${folder##*/}/hosts.toml" || continue
    while IFS= read -r line; do
      case $line in
        '[host."'*'"]') echo "  first tried: ${line:7:-2}" ;;
        'server = '*) line=${line#*'"'} && token=${line%'"'} ;;
      esac
    done <<<"$REPLY"
    echo "  last tried:  ${token:-unknown}"
  done
  for line in "$RUN"/said-*; do [[ -f $line ]] && read_line "$line" && echo "complaint: $REPLY"; done
  return 0
}

main() {
  case ${1:-run} in
    run) run ;;
    status) status ;;
    *)
      echo "usage: registry-node [run|status]" >&2
      return 2
      ;;
  esac
}

# Read as a whole before it runs: the step that installs a new version may replace this file meanwhile.
main "$@"; exit $?
