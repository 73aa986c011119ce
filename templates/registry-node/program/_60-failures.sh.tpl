# Failures: one word and one line for people, from what ctr says.

explain() { # HOSTS STATUS REFERENCE: class and message of what ctr said, without query strings and passwords
  local text='' line class tried='' pattern=' error="(([^"\\]|\\.)*)"'
  while IFS= read -r line; do
    case $line in
      'ctr: '*) text=${line#ctr: } ;;
      'time="'*) [[ ! $line =~ $pattern ]] || tried=${BASH_REMATCH[1]//\\\"/\"} ;;
      '') ;;
      *) [[ -n $text ]] || text=$line ;;
    esac
    # Seconds, or a date; an hour at most, or a registry could keep a node from ever asking again.
    [[ ! $line =~ response.header.retry-after=(\"([^\"]+)\"|[^[:space:]]+) ]] ||
      set_retry_after "${BASH_REMATCH[2]:-${BASH_REMATCH[1]}}"
  done <"$RUN/ctr.err"
  if (($2 == 124 || $2 == 137)) && [[ -z $tried ]]; then
    class=timeout text='no answer within the time given'
  else
    # Cut off while it tried the next way: what it said of the one before.
    text=${text:-$tried}
    class=$(classify "$text")
    if [[ $class == tls && $text == *'certificate has expired or is not yet valid'* ]] && is_clock_wrong "$text"; then
      class=clock text="this node's clock is ${REPLY:-behind}; $text"
    fi
  fi
  hide_passwords "$1" "${text:-ctr ended with status $2 and said nothing}"
  text=$REPLY
  while [[ $text =~ \?[^[:space:]\"]+ ]]; do text=${text/"${BASH_REMATCH[0]}"/}; done
  text=${text//[^[:print:]]/ }
  fail "$class" "$3: ${text:0:300}"
}

set_retry_after() { # VALUE OF THE HEADER
  local now moment=$1
  printf -v now '%(%s)T' -1
  [[ $moment =~ ^[0-9]{1,9}$ ]] || moment=$(($(date -d "$moment" +%s 2>/dev/null || echo 0) - now))
  RETRY_AFTER=$((moment > 3600 ? 3600 : moment < 0 ? 0 : moment))
}

hide_passwords() { # HOSTS TEXT: the text in REPLY without any password that stands in a hosts.toml
  local text=$2 file password pattern='password = "(([^"\\]|\\.)*)"'
  for file in "$1"/*/hosts.toml; do
    read_text "$file" && [[ $REPLY =~ $pattern ]] && password=${BASH_REMATCH[1]}
    [[ -n ${password:-} ]] || continue
    text=${text//"$password"/***}
    # Once more unescaped: TOML's escapes are those of printf, but for the quote.
    printf -v password '%b' "${password//'\"'/'"'}"
    text=${text//"$password"/***}
  done
  REPLY=$text
}

classify() { # TEXT: one word for what went wrong (messages of containerd 1.7 and 2.x, and of Go's net/http)
  # A status is an answer: nothing that the registry wrote beside it is looked at.
  if [[ $1 =~ unexpected\ ([A-Z]+\ )?status.*:\ ([0-9]{3})\ [A-Z] ]]; then
    case ${BASH_REMATCH[2]} in
      401 | 403) echo auth ;;
      404) echo not-found ;;
      408) echo timeout ;;
      429) echo rate-limited ;;
      5??) echo server ;;
      *) echo other ;;
    esac
    return
  fi
  case $1 in
    *'no space left on device'* | *'read-only file system'*) echo disk ;;
    *x509:* | *tls:* | *'HTTP response to HTTPS client'* | *'CA cert'* | *'certificate signed by'*) echo tls ;;
    *'429 Too Many Requests'* | *toomanyrequests* | *TOOMANYREQUESTS*) echo rate-limited ;;
    *'authorization failed'* | *'failed to authorize'*'401'* | *insufficient_scope* | *UNAUTHORIZED* | *DENIED*) echo auth ;;
    *'no such host'* | *'server misbehaving'* | *'lookup '*) echo dns ;;
    *'handshake timeout'* | *'Client.Timeout'*) echo timeout ;;
    *'dial tcp'*'i/o timeout'* | *'connection refused'* | *'no route to host'* | *'network is unreachable'*) echo tcp ;;
    *'connection reset'* | *'broken pipe'* | *'": EOF'* | *'dial tcp'*) echo tcp ;;
    *'context deadline exceeded'* | *'i/o timeout'*) echo timeout ;;
    *': not found'* | *MANIFEST_UNKNOWN* | *NAME_UNKNOWN*) echo not-found ;;
    *) echo other ;;
  esac
}

is_clock_wrong() { # TEXT: against the Date of the API server's last answer, how far in REPLY; else "is before" says so
  local line told='' now
  REPLY=''
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
  REPLY="$((now > told ? now - told : told - now)) s $( ((now > told)) && echo ahead of || echo behind) the API server's"
  ((now - told > 120 || told - now > 120))
}
