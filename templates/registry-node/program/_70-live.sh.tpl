# The live files below registry.d.
#
# containerd opens hosts.toml first and the CA files that it names a moment later, and one that is missing by then fails
# the pull. So CA files are written before the hosts.toml that names them, and go a round after the last that did (FRESH:
# folders whose hosts.toml this very run changed).

find_wanted() { # the folder of what is to be live, in WANTED: what a rescue put in goes before the plan
  WANTED="$KEEP/rescue/folders"
  [[ -L $KEEP/rescue ]] || WANTED="$KEEP/current/folders"
}

sync_live() { # make registry.d equal to what is wanted; a round that finds it so runs one process (stat)
  local path folder file name owned='' wanted=' '
  local -a pairs=() dirty=() loose=()
  find_wanted
  [[ -d $WANTED ]] || return 0
  for path in "$WANTED"/*/*; do
    [[ -f $path ]] || continue
    name=${path#"$WANTED/"}
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
  if [[ -n $FOREIGN_AGENT ]]; then
    fail foreign "$LIVE is kept by another agent ($FOREIGN_AGENT) and differs from the plan: left alone"
    return 1
  fi
  for name in $wanted; do is_in_the_way "$name" && return 1; done
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

find_stale_files() { # CA files of ours that are not wanted, in STALE
  local folder path
  STALE=()
  for folder in "$WANTED"/*; do
    [[ $FRESH != *" ${folder##*/} "* ]] || continue
    for path in "$LIVE/${folder##*/}"/ca-????????????.crt; do
      [[ ! -e $path || -e $WANTED/${path#"$LIVE/"} ]] || STALE+=("$path")
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
  for name in "$@"; do [[ $name != */hosts.toml ]] || { FRESH+="${name%/*} " && put "$name"; } || return 1; done
  [[ ${#STALE[@]} == 0 ]] || rm -f "${STALE[@]}" || return 1
  list=''
  for name in $wanted; do list+="$name"$'\n'; done
  for name in $owned; do
    [[ $wanted == *" $name "* ]] && continue
    remove_folder "$name" || return 1
    [[ -z $REPLY ]] || list+="$name"$'\n'
  done
  [[ $list == "$owned" ]] || write_text "$KEEP/owned" "${list%$'\n'}" || return 1
  rm -rf "$LIVE/.registry-node"
}

remove_folder() { # FOLDER: only files of our names go, hosts.toml a round before the rest; REPLY tells what is left
  REPLY=''
  [[ ! -L $LIVE/$1 ]] || return 0
  if [[ -e $LIVE/$1/hosts.toml ]]; then
    FRESH+="$1 "
    rm -f "$LIVE/$1/hosts.toml" || return 1
  fi
  if [[ $FRESH == *" $1 "* ]]; then
    REPLY='CA files'
    return 0
  fi
  rm -f "$LIVE/$1"/ca-????????????.crt || return 1
  [[ ! -d $LIVE/$1 ]] || rmdir --ignore-fail-on-non-empty "$LIVE/$1" || return 1
  log "removed $LIVE/$1"
}

put() { # FOLDER/FILE: from what is wanted to registry.d, by rename
  local part="$LIVE/.registry-node/part"
  [[ -d $LIVE/${1%/*} ]] || mkdir -m 0755 "$LIVE/${1%/*}" || return 1
  cp --preserve=mode "$WANTED/$1" "$part" && sync "$part" && mv -fT "$part" "$LIVE/$1" || return 1
  log "wrote $LIVE/$1"
}
