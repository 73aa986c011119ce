# The candidate: what goes live after its proofs, and what happens when they fail.

try_candidate() { # prove what is new; then it is current
  local proof token attempts=0
  token_of "$KEEP/candidate" || return 0
  token=$REPLY
  if [[ -f $KEEP/trial ]]; then
    is_due || return 0
    { read -r _ && read -r attempts; } <"$KEEP/trial"
  fi
  # Noted before anything is asked: a node that cannot remember a refused password must not send it each round.
  fail other "$CUT_OFF"
  postpone "$token" "${attempts:-0}"
  [[ -z $ERROR_CLASS ]] || { no_space "$KEEP"; return 0; }
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
  if ! { adapt_dials "$KEEP/layouts/$token/folders" && point "$KEEP/current" "layouts/$token" &&
    rm -f "$KEEP/candidate" "$KEEP/trial"; }; then
    no_space "$KEEP"
    return 0
  fi
  WENT_LIVE=$token
  log "$token goes live"
  # By now a source of the plan's own has been proven again: what was put in by hand at night has done its work.
  [[ ! -L $KEEP/rescue || ! -d $KEEP/layouts/$token/proofs/0 ]] || end_rescue "plan $token is proven"
  drop_layouts
}

is_due() { # the candidate's failure is long enough ago
  local now next=0
  { read -r _ && read -r _ && read -r next; } <"$KEEP/trial"
  printf -v now '%(%s)T' -1
  # A pause longer than any that is ever set: the clock was put back meanwhile.
  ((now >= next)) || { ((next != NEVER && next - now > LONGEST_PAUSE)); }
}

is_free() { # FOLDERS: none of them is a user's own, and registry.d is nobody else's
  local path name
  if [[ -n $FOREIGN_AGENT ]]; then
    fail foreign "$LIVE is kept by another agent ($FOREIGN_AGENT): left alone"
    return 1
  fi
  for path in "$1"/*; do
    name=${path##*/}
    is_in_the_way "$name" && return 1
    is_owned "$name" && continue
    [[ -e $LIVE/$name ]] || continue
    # The platform's own step keeps a list of its folders; those are handed over.
    is_platforms "$name" && continue
    is_as_wanted "$path" && continue
    fail foreign "$LIVE/$name was made by someone else and is left alone: move it away to let the switch go on"
    return 1
  done
}

is_in_the_way() { # FOLDER: something of a user's stands where containerd would look before, or where ours is to be
  local path other="$LIVE/${1%:*}_${1##*:}_"
  if [[ $1 == *:* && -e $other ]]; then
    fail foreign "$other is not ours and containerd prefers it to $1: move it away"
    return 0
  fi
  path="$LIVE/$1"
  [[ ! -L $path && (! -e $path || -d $path) ]] && path+=/hosts.toml && [[ ! -L $path && ! -d $path ]] && return 1
  fail foreign "$path is a link, or not what containerd reads there; it is left alone: move it away"
  return 0
}

is_owned() { # FOLDER
  read_text "$KEEP/owned" && [[ $'\n'$REPLY == *$'\n'"$1"$'\n'* ]]
}

is_platforms() { # FOLDER
  read_text "$LIVE/deckhouse_hosts_state.json" && [[ $REPLY == *"\"$1\""* ]]
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
  if [[ $ERROR_CLASS == rate-limited ]]; then
    ((RETRY_AFTER > 0)) || RETRY_AFTER=60
    ((wait >= RETRY_AFTER)) || wait=$RETRY_AFTER
  fi
  wait=$((now + wait + RANDOM % (wait / 4 + 1)))
  # A refused password is not tried again with the same plan: registries lock accounts.
  [[ $ERROR_CLASS != auth ]] || wait=$NEVER
  write_text "$KEEP/trial" "$1"$'\n'"$attempts"$'\n'"$wait"$'\n'"$ERROR_CLASS"$'\n'"$ERROR_MESSAGE" || return 0
  [[ $ERROR_MESSAGE == "$CUT_OFF" ]] ||
    log_once proof "$1: not proven ($ERROR_CLASS), what is live stays: $ERROR_MESSAGE"
  ERROR_CLASS='' ERROR_MESSAGE=''
}
