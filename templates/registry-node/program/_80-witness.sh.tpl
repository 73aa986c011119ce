# The witness: what the Node says of this node.

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
