# The plan: read from the Secret, staged as a layout.

ask_plan() { # take the plan over if it is another one than was read last
  local new="$KEEP/layouts/.new" applied=0 known=0
  # The whole Secret each time: it is small, and a second connection would cost the API server more than it.
  if ! { read_plan '?resourceVersion=0' && stage_plan "$new"; }; then return; fi
  [[ -L $KEEP/current ]] && read_line "$KEEP/current/counter" && applied=$REPLY known=$REPLY
  [[ -L $KEEP/candidate ]] && read_line "$KEEP/candidate/counter" && ((REPLY > known)) && known=$REPLY
  if ((PLAN_COUNTER < known)); then
    # The cache of an API server that lags behind shows an older plan too. Only etcd's word counts: a candidate that was
    # dropped for a moment would show a refused password once more.
    if ! { read_plan '' && stage_plan "$new"; }; then
      rm -rf "$new"
      ERROR_TOKEN=''
      return
    fi
  fi
  take_plan "$new" "$applied"
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
| (if $plan.uninstall == true then "uninstall" else empty end),
  "plan|" + $secret.uid + "|" + $secret.resourceVersion + "|" + ($plan.counter | number) + "|"
  + (.token | only("[0-9]+\\.[0-9A-Za-z]+\\.[0-9a-f]+")) + "|" + ($plan.intervalSeconds | number),
  ($plan.layouts[].proofs[] | "known|" + (.id | only("[0-9a-f]{64}"))),
  ($plan.layouts[].proofs[].masterPulls[] | "keep|" + image),
  (.folders[] | .name as $folder | .files[] | entry("folders/" + ($folder | hostname))),
  (.proofs | to_entries[] | "proofs/\(.key)" as $path | .value
    | "proof|" + $path + "|" + .id + "|" + (.reference | image) + "|" + (.address | hostname)
      + "|" + (.deadlineSeconds | number) + "|" + (.masterPulls | join(" ")),
      (.host as $folder | .files[] | entry($path + "/hosts/" + ($folder | hostname)))),
  "end"'

take_plan() { # FOLDER APPLIED: do what the plan says: stage this node's layout, refuse an older one, or go
  local new=$1 applied=$2
  rm_said plan
  if ((PLAN_COUNTER < applied)); then
    log "the plan's counter $PLAN_COUNTER is lower than $applied, which this node applied: nothing changes"
    rm -rf "$new" && write_text "$KEEP/restored" "$PLAN_TOKEN" && write_text "$KEEP/seen" "$PLAN_VERSION"
  elif [[ -n $PLAN_UNINSTALL ]]; then
    # Not noted as seen: the plan is asked for again until everything is gone.
    rm -rf "$new" && write_text "$KEEP/uninstall" "$PLAN_TOKEN"
  else
    write_text "$new/counter" "$PLAN_COUNTER" && stage "$new" "$PLAN_TOKEN" && forget_proofs && unpin "$PLAN_PINS" &&
      write_text "$KEEP/interval" "$PLAN_INTERVAL" && rm -f "$KEEP/restored" "$KEEP/uninstall" &&
      write_text "$KEEP/seen" "$PLAN_VERSION"
  fi || { no_space "$KEEP"; return 1; }
  ERROR_TOKEN=''
}

read_plan() { # QUERY: the Secret as lines in $RUN/plan.lines, if it is another one than was read last
  local seen='' secret
  api GET "$SECRET$1" application/json || return 1
  if [[ $STATUS != 200 ]]; then
    log_once api "Secret d8-system/registry-node-plan: HTTP $STATUS, nothing changes"
    return 1
  fi
  rm_said api
  secret=$REPLY
  [[ $secret =~ \"uid\":[[:space:]]*\"([^\"]+)\" ]] && seen=${BASH_REMATCH[1]}
  [[ $secret =~ \"resourceVersion\":[[:space:]]*\"([^\"]+)\" ]] && seen+=" ${BASH_REMATCH[1]}"
  read_line "$KEEP/seen"
  [[ -z $seen || $REPLY != "$seen" ]] || return 1
  # By a pipe: what the Secret holds is nobody's argument and in no file.
  printf '%s' "$secret" | jq -r --arg node "$NODE" "$PLAN_LINES" >"$RUN/plan.lines" 2>"$RUN/jq.err" && return 0
  read_line "$RUN/jq.err"
  rm -f "$RUN/plan.lines"
  log_once plan "Secret d8-system/registry-node-plan is not understood, nothing changes: ${REPLY:0:200}"
  fail other "node plan not understood: ${REPLY:0:200}"
}

stage_plan() { # FOLDER
  stage_lines "$1" || no_space "$1"
}

stage_lines() { # FOLDER: the files of the plan's lines in it, and the rest of them in PLAN_…
  local kind a b c d e f complete=''
  PLAN_UNINSTALL='' PLAN_PROOFS='' PLAN_PINS=''
  chmod 0700 "$KEEP" && rm -rf "$1" && mkdir -p "$1/folders" "$1/proofs" || return 1
  while IFS='|' read -r kind a b c d e f; do
    case $kind in
      uninstall) PLAN_UNINSTALL=yes ;;
      plan) PLAN_VERSION="$a $b" PLAN_COUNTER=$c PLAN_TOKEN=$d PLAN_INTERVAL=$e ERROR_TOKEN=$d ;;
      known) PLAN_PROOFS+="$a"$'\n' ;;
      keep) PLAN_PINS+="$a"$'\n' ;;
      file) mkdir -p "$1/$a" && base64 -d <<<"$d" >"$1/$a/$b" && chmod "$c" "$1/$a/$b" || return 1 ;;
      proof) mkdir -p "$1/$a" && printf '%s\n' "$b" "$c" "$d" "$e" "$f" >"$1/$a/meta" || return 1 ;;
      end) complete=yes ;;
    esac
  done <"$RUN/plan.lines"
  rm -f "$RUN/plan.lines"
  [[ -n $complete ]]
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
  local path kept=' '
  for path in current candidate rescue; do token_of "$KEEP/$path" && kept+="$REPLY "; done
  for path in "$KEEP"/layouts/*; do
    [[ $kept == *" ${path##*/} "* || ! -e $path ]] || rm -rf "$path"
  done
}

forget_proofs() { # a proof that no layout of the plan lists has to be passed again later
  local id role left=''
  [[ -f $KEEP/passed ]] || return 0
  while read -r id role; do
    [[ $'\n'$PLAN_PROOFS == *$'\n'"$id"$'\n'* ]] && left+="$id $role"$'\n'
  done <"$KEEP/passed"
  write_text "$KEEP/passed" "${left%$'\n'}"
}
