# The live files below registry.d.

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
