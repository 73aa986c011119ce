# The candidate: what goes live after its proofs, and what happens when they fail.

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
