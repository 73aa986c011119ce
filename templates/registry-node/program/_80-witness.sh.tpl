# The witness: what the Node says of this node.

report() { # tell the Node, if anything but the time changed (or someone else changed it)
  local token='' result='' class='' message=''
  find_result
  [[ -n $token ]] || return 0
  tell "$token" "$result" "$class" "$message"
}

find_result() { # what this round came to, in the caller's variables
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
    [[ ! -L $KEEP/rescue ]] ||
      result=failing class=other message='a rescue by hand is in force: registry-node rescue undo takes it back'
  fi
}

tell() { # TOKEN RESULT CLASS MESSAGE
  local key boot dial=0
  read_text "$KEEP/dials"
  [[ $REPLY =~ \ ([0-9]+)$'\n'$ ]] && dial=${BASH_REMATCH[1]}
  read_line /proc/sys/kernel/random/boot_id
  boot=$REPLY
  key="$NODE|$1|$2|$3|$4|$CONFIG_PATH|$CUSTOM_DETAIL|$FOREIGN_AGENT|$dial|$boot"
  read_line "$RUN/reported"
  if [[ $REPLY == "$key" ]] && is_still_told "$1"; then return 0; fi
  jq -nc --arg program "$PROGRAM" --arg token "$1" --arg result "$2" --arg class "$3" --arg message "$4" \
    --argjson configPath "$CONFIG_PATH" --argjson customConfig "$CUSTOM_CONFIG" --arg customDetail "$CUSTOM_DETAIL" \
    --arg foreignAgent "$FOREIGN_AGENT" --argjson dial "$dial" --arg boot "$boot" \
    --arg at "$(date +%Y-%m-%dT%H:%M:%SZ)" '
    {schema: 1, program: $program, token: $token, result: $result, class: $class, message: $message,
     configPath: $configPath, customConfig: $customConfig, customDetail: $customDetail, foreignAgent: $foreignAgent,
     dialMilliseconds: $dial, bootID: $boot, at: $at} | tojson
    | {metadata: {annotations: {"registry.deckhouse.io/node-report": .},
                  labels: {"registry.deckhouse.io/node-state": $result}}}' >"$RUN/patch.json" || return 1
  patch_node || return 1
  printf '%s\n' "$key" >"$RUN/reported" && : >"$RUN/told"
  log "reported: $1 $2${3:+ ($3)}"
}

patch_node() { # send $RUN/patch.json; of the ways to patch, this one costs the API server least for a Node
  api PATCH "/api/v1/nodes/$NODE" "$METADATA" --header 'Content-Type: application/strategic-merge-patch+json' \
    --data-binary "@$RUN/patch.json" || return 1
  if [[ $STATUS != 200 ]]; then
    log_once report "Node $NODE could not be told: HTTP $STATUS"
    return 1
  fi
  rm_said report
  note_role
}

is_still_told() { # TOKEN: every five minutes, look whether the Node still has it (it may have been made anew)
  local now told=0 node
  printf -v now '%(%s)T' -1
  [[ -e $RUN/told ]] && told=$(stat -c %Y "$RUN/told")
  ((now - told >= 300 || told > now)) || return 0
  api GET "/api/v1/nodes/$NODE?resourceVersion=0" "$METADATA" || return 0
  [[ $STATUS == 200 ]] || return 0
  node=$REPLY
  note_role
  : >"$RUN/told"
  [[ $node == *"\\\"token\\\":\\\"$1\\\""* ]]
}
