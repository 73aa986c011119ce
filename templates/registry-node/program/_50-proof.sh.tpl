# One proof: what is fetched, and what masters pull and pin.

prove() { # FOLDER OF A PROOF: fetch past the local store, with that source's own credentials
  local id reference address deadline pulls role=node hosts="$1/hosts" pull
  { read -r id && read -r reference && read -r address && read -r deadline && IFS= read -r pulls; } <"$1/meta"
  if [[ -n $pulls ]]; then
    is_master && role=master
    [[ -z $ERROR_CLASS ]] || return 1
  fi
  if read_text "$KEEP/passed" && [[ $'\n'$REPLY == *$'\n'"$id $role"$'\n'* ]]; then return 0; fi
  fetch_image "$hosts" "$deadline" "$reference" || return 1
  measure "$address" 1000
  if [[ $role == master ]]; then
    for pull in $pulls; do pin "$hosts" "$deadline" "$pull" || return 1; done
  fi
  log "proven: $reference answers"
  read_text "$KEEP/passed"
  write_text "$KEEP/passed" "$REPLY$id $role" || { no_space "$KEEP"; return 1; }
  rm_said proof
}

fetch_image() { # HOSTS DEADLINE REFERENCE: its manifest (of an index, that of this machine too) and its smallest layer
  local reference=$3 kind='' digest=''
  SECONDS=0
  fetch_manifest "$1" "$2" "$reference" || return 1
  if [[ $kind == index ]]; then
    [[ $digest == sha256:* ]] || { fail not-found "$3: the index has no image for linux/$HOSTTYPE"; return 1; }
    reference="${3%@*}@$digest"
    fetch_manifest "$1" "$2" "$reference" || return 1
  fi
  [[ $kind == image && $digest == sha256:* ]] || { fail other "$reference: its manifest has no layer"; return 1; }
  fetch "$1" "$2" '' "$digest" content fetch-blob "$3"
}

fetch_manifest() { # HOSTS DEADLINE REFERENCE: what it is in the caller's kind, and whose digest comes next
  local machine=$HOSTTYPE
  [[ $machine != x86_64 ]] || machine=amd64
  [[ $machine != aarch64 ]] || machine=arm64
  fetch "$1" "$2" "$RUN/manifest.json" "${3##*@}" content fetch-object "$3" || return 1
  read_text "$RUN/manifest.json" && find_smallest_layer "$REPLY" && return 0
  REPLY=$(jq -r --arg machine "$machine" 'if has("manifests")
    then "index", first(.manifests[] | select(.platform.os == "linux" and .platform.architecture == $machine) | .digest)
    else "image", (.layers | min_by(.size).digest) end' "$RUN/manifest.json") ||
    { fail other "$3: its manifest is not JSON of an image"; return 1; }
  { read -r kind && read -r digest; } <<<"$REPLY" || digest=''
}

find_smallest_layer() { # MANIFEST: as fetch_manifest says, without jq, whose start takes half as long as a fetch
  # Only for plain layers: an index, or a layer with annotations, is jq's to read.
  local rest one size least=''
  local layers='"layers"[[:space:]]*:[[:space:]]*\[([^]]*)\]' layer='\{[^{}]*\}'
  local sized='"size"[[:space:]]*:[[:space:]]*([0-9]{1,15})' named='"digest"[[:space:]]*:[[:space:]]*"(sha256:[0-9a-f]{64})"'
  [[ $1 != *'"manifests"'* && $1 =~ $layers ]] || return 1
  rest=${BASH_REMATCH[1]}
  while [[ $rest =~ $layer ]]; do
    one=${BASH_REMATCH[0]} rest=${rest#*"${BASH_REMATCH[0]}"}
    [[ $one =~ $sized ]] && size=${BASH_REMATCH[1]} && [[ $one =~ $named ]] || return 1
    ((size < ${least:-size + 1})) && least=$size digest=${BASH_REMATCH[1]} kind=image
  done
  [[ -n $least ]]
}

hash_and_keep() { # FILE|'': what comes in, also into the file
  if [[ -n $1 ]]; then tee "$1" | sha256sum; else sha256sum; fi
}

fetch() { # HOSTS DEADLINE FILE|'' DIGEST content fetch-… REFERENCE: what comes must have the digest
  local hosts=$1 left=$(($2 - SECONDS)) into=$3 digest=$4 sum ended reference=$7
  local -a arguments=("$reference")
  [[ $6 == fetch-object ]] || arguments+=("$digest")
  ((left > 0)) || left=1
  sum=$(
    exec 9>&-
    run_ctr "$left" "$5" "$6" --hosts-dir "$hosts" "${arguments[@]}" 2>"$RUN/ctr.err" | hash_and_keep "$into"
    echo "${PIPESTATUS[*]}"
  )
  read -r -a ended <<<"${sum##*$'\n'}"
  if [[ ${ended[0]} != 0 && ${ended[1]} == 0 ]]; then
    explain "$hosts" "${ended[0]}" "$reference"
    return 1
  fi
  [[ ${ended[*]} == '0 0' ]] || { no_space "$RUN"; return 1; }
  [[ $digest != sha256:* || "sha256:${sum%% *}" == "$digest" ]] ||
    fail other "$reference: the registry sent something else than $digest"
}

pin() { # HOSTS DEADLINE REFERENCE: bring an image here and keep the kubelet from removing it
  # Noted first: what is pinned and not noted would stay for ever.
  read_text "$KEEP/pinned"
  [[ $'\n'$REPLY == *$'\n'"$3"$'\n'* ]] || write_text "$KEEP/pinned" "$REPLY$3" || { no_space "$KEEP"; return 1; }
  # The label in the same call: another start of containerd's client takes as long as a fetch.
  run_ctr $(($2 * 10)) images pull --hosts-dir "$1" --label io.cri-containerd.pinned=pinned "$3" >/dev/null 2>"$RUN/ctr.err" ||
    { explain "$1" $? "$3"; return 1; }
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
  # Debug output tells the answer's headers (Retry-After, Date); containerd leaves credentials out of it.
  timeout --kill-after=5 "$limit" ctr --debug --namespace k8s.io "$@" 9>&-
  local status=$?
  [[ ${#settings[@]} == 0 ]] || unset "${settings[@]}"
  return "$status"
}

is_master() { # sets an error where the API does not say
  if ! read_text "$RUN/role"; then
    api GET "/api/v1/nodes/$NODE" "$METADATA" ||
      { fail other "the API server does not say whether this is a master"; return 1; }
    [[ $STATUS == 200 ]] || { fail other "own Node: HTTP $STATUS"; return 1; }
    note_role || { no_space "$RUN"; return 1; }
  fi
  read_line "$RUN/role"
  [[ $REPLY == master ]]
}

note_role() { # from the own Node in REPLY: each answer about it tells, so that a proof need not ask
  local role=node
  [[ $REPLY != *'"node-role.kubernetes.io/control-plane":'* ]] || role=master
  read_line "$RUN/role"
  [[ $REPLY != "$role" ]] || return 0
  # A node that became a master proves once more what is live: masters have images to pull and to pin.
  [[ $REPLY != node || -L $KEEP/candidate ]] || ! token_of "$KEEP/current" ||
    point "$KEEP/candidate" "layouts/$REPLY" || return 1
  echo "$role" >"$RUN/role.part" && mv -fT "$RUN/role.part" "$RUN/role"
}

measure() { # ADDRESS OTHERWISE: note how long a connection takes, name lookup included, in milliseconds
  local took line left=''
  # shellcheck disable=SC2016  # expanded by the inner shell
  took=$(timeout 5 bash -c 's=$EPOCHREALTIME; exec 3<>"/dev/tcp/$0/$1" || exit 1; e=$EPOCHREALTIME
    echo $(((${e/[.,]/} - ${s/[.,]/}) / 1000))' "${1%:*}" "${1##*:}" 2>/dev/null 9>&-) || took=$2
  [[ $took =~ ^[0-9]+$ ]] || took=$2 # the clock was put back meanwhile
  read_text "$KEEP/dials"
  while IFS= read -r line; do [[ -z $line || $line == "$1 "* ]] || left+="$line"$'\n'; done <<<"$REPLY"
  write_text "$KEEP/dials" "$left$1 $took"
}

adapt_dials() { # FOLDERS: a source that is far away gets a second for a dial, where one near gets 300 ms
  local file line text address
  for file in "$1"/*/hosts.toml; do
    read_text "$file"
    [[ $REPLY == *"$NEAR"* ]] || continue
    text='' address=''
    while IFS= read -r line; do
      if [[ $line =~ ^\[host\.\"(https?)://([^\"/]+)\"\]$ ]]; then
        address=${BASH_REMATCH[2]}
        [[ $address == *:* ]] || if [[ ${BASH_REMATCH[1]} == http ]]; then address+=:80; else address+=:443; fi
      elif [[ $line == "$NEAR" ]] && is_far "$address"; then
        line=$FAR
      fi
      text+=$line$'\n'
    done <<<"${REPLY%$'\n'}"
    write_text "$file" "${text%$'\n'}" || return 1
  done
}

is_far() { # ADDRESS: a connection takes 100 ms or more; an address that no proof has measured is measured now
  local try
  for try in known measured; do
    [[ $try == known ]] || measure "$1" 0 || return 1
    if read_text "$KEEP/dials" && [[ $'\n'$REPLY =~ $'\n'"$1 "([0-9]+)$'\n' ]]; then
      ((BASH_REMATCH[1] >= 100))
      return
    fi
  done
  return 1
}
