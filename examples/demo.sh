#!/bin/sh
# `make demo`: the shop, up and healthy, on the engine that is there or on Rorqual's own; a change planned, a drift mended.
# `make demo-stop` takes it away.
set -eu
cd "$(dirname "$0")/shop"
rorqual=$(cd ../.. && pwd)/.venv/bin/rorqual
run=${XDG_RUNTIME_DIR:-/run}/rorqual-demo
PATH=$PATH:/usr/sbin:/sbin

bold=$(test -t 1 && printf '\033[1m' || true)
plain=$(test -t 1 && printf '\033[0m' || true)
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@"
}
rorqual() { "$rorqual" "$@"; }
port_free() { ! python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2>/dev/null; }

if [ "${1:-}" = stop ]; then
    show rorqual down -v
    if [ -f "$run/started" ]; then
        rm -rf "$run"
        show rorqual daemon stop
    fi
    exit 0
fi

# The engine that `up` would take, in its own words: named, the project's own, one that runs here, or ours, started now.
if ! words=$(rorqual up --dry-run 2>&1 >/dev/null); then
    printf '%s\n' "$words" >&2
    exit 1
fi
engine=$(printf '%s\n' "$words" | sed -n '/^Engine: /{p;q;}')
printf '%s%s%s\n' "$bold" "$engine" "$plain"
case $engine in
*"started on demand"*)
    say "no engine was here: Rorqual has started its own, which make demo-stop ends"
    mkdir -p "$run"
    touch "$run/started"
    ;;
esac

if [ -z "$(rorqual ps -q 2>/dev/null || true)" ]; then
    for port in 8080 18080 28080; do
        if port_free "$port"; then break; fi
    done
    [ "$port" = 8080 ] || export SHOP_PORT="$port"
fi

say "nginx, two Python APIs and PostgreSQL, from Debian packages: no Dockerfile, no registry (examples/shop)"
show rorqual up -d --wait

address=$(rorqual port web 8080 | sed 's/^0\.0\.0\.0/localhost/')
say "the page, by whichever replica is asked"
for _ in 1 2; do show curl -s "http://$address/"; done

say "what runs"
show rorqual ps

say "and what would change now"
show rorqual plan

say "what another name for the shop would come to: asked, not done"
printf '%s$ SHOP_NAME="The Whale Shop" rorqual plan%s\n' "$bold" "$plain"
SHOP_NAME="The Whale Shop" rorqual plan

say "a replica is stopped by hand: seen, named, mended, and nothing else is touched"
show rorqual container stop shop-api-2
show rorqual drift || [ $? = 1 ]
show rorqual up -d --wait

say "and all of it is remembered"
show rorqual history

say "look around: cd examples/shop && ../../.venv/bin/rorqual logs -f"
say "stop it:     make demo-stop"
