# Failures: one word and one line for people, from what ctr says.

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
