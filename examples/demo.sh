#!/bin/sh
# `make demo`: the shop, up and healthy on a Docker engine; `make demo-stop` takes it and a started engine away again.
set -eu
cd "$(dirname "$0")/shop"
rorqual=$(cd ../.. && pwd)/.venv/bin/rorqual
run=${XDG_RUNTIME_DIR:-/run}/rorqual-demo
root=/var/lib/rorqual-demo
PATH=$PATH:/usr/sbin:/sbin

bold=$(test -t 1 && printf '\033[1m' || true)
plain=$(test -t 1 && printf '\033[0m' || true)
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@"
}
rorqual() { "$rorqual" "$@"; }
answers() { rorqual ls -q >/dev/null 2>&1; }
use_ours() {
    # RORQUAL_HOST and a current context would win over it, and are the user's own business
    export DOCKER_HOST="unix://$run/docker.sock"
}
port_free() { ! python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2>/dev/null; }

start_engine() {
    [ "$(id -u)" = 0 ] || {
        echo "no engine answers, and only root can start one: start Docker, set DOCKER_HOST, or run 'sudo make demo'" >&2
        exit 1
    }
    say "no engine answers: starting Docker for the demo (socket $run/docker.sock, data $root)"
    mkdir -p "$run" "$root"
    nohup dockerd -H "unix://$run/docker.sock" --data-root "$root/docker" --exec-root "$run/exec" \
        --pidfile "$run/docker.pid" >"$run/docker.log" 2>&1 &
    use_ours
    for _ in $(seq 100); do
        answers && return
        kill -0 $! 2>/dev/null || break
        sleep 0.2
    done
    echo "dockerd doesn't start; its last lines:" >&2
    tail -5 "$run/docker.log" >&2
    exit 1
}

if [ "${1:-}" = stop ]; then
    [ ! -S "$run/docker.sock" ] || use_ours
    show rorqual down -v
    if [ -f "$run/docker.pid" ]; then
        pid=$(cat "$run/docker.pid")
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
        rm -rf "$run" "$root"
        say "the demo's Docker is stopped, and its data is gone"
    fi
    exit 0
fi

if [ -S "$run/docker.sock" ]; then use_ours; fi
answers || start_engine

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

say "look around: cd examples/shop && ../../.venv/bin/rorqual logs -f${DOCKER_HOST:+   (with DOCKER_HOST=$DOCKER_HOST)}"
say "stop it:     make demo-stop"
