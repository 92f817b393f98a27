#!/usr/bin/env bash
# usage: tools/with_postgres.sh COMMAND [ARGUMENT...]
# Runs COMMAND with TG_TEST_POSTGRES_URL naming a throwaway PostgreSQL 15 of its own (temporary folder, free loopback port),
# and removes all of it afterwards, also on a signal. When TG_TEST_POSTGRES_URL is set already, that server is used.
# TG_POSTGRES_DURABLE=1: it syncs as a real server does (benchmarks); without, it does not (tests).
set -u
[ $# -gt 0 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
[ -n "${TG_TEST_POSTGRES_URL:-}" ] && exec "$@"

bin=/usr/lib/postgresql/15/bin
[ -x "$bin/postgres" ] || { echo "with_postgres.sh: $bin/postgres is missing; install Debian's postgresql-15" >&2; exit 1; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/tollgate-postgres.XXXXXX") || exit 1
server='' child=''
clean_up() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
# A signal goes on to COMMAND; the script ends when COMMAND has.
stop() {
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child" 2>/dev/null
    fi
    exit $((128 + $1))
}
trap 'stop 1' HUP; trap 'stop 2' INT; trap 'stop 15' TERM

sync=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off)
[ -n "${TG_POSTGRES_DURABLE:-}" ] && sync=()

# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" = 0 ]; then
    user=postgres; id "$user" >/dev/null 2>&1 || user=nobody
    as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
    chown "$user" "$folder"
fi
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
(umask 077; printf '%s' "$password" > "$folder/password"; chown --reference="$folder" "$folder/password")
if ! (cd "$folder" && "${as[@]}" "$bin/initdb" -D "$folder/data" -U tollgate -A scram-sha-256 --pwfile="$folder/password" \
        -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions) > "$folder/initdb.log" 2>&1; then
    echo "with_postgres.sh: initdb failed:" >&2; cat "$folder/initdb.log" >&2; exit 1
fi

# The port is free when PostgreSQL can bind it; another process may take it between a look and the start.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 12000))
    cd "$folder" || exit 1
    setsid setpriv --pdeathsig INT "${as[@]:1}" "$bin/postgres" -D "$folder/data" -p "$port" -k "$folder" -h 127.0.0.1 \
        "${sync[@]}" -c max_connections=100 -c max_wal_size=4GB -c shared_buffers=128MB > "$folder/server.log" 2>&1 < /dev/null &
    server=$!
    cd "$OLDPWD" || exit 1
    ready=''
    while kill -0 "$server" 2>/dev/null; do
        if "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U tollgate && grep -q 'ready to accept' "$folder/server.log"; then
            ready=1; break
        fi
        sleep 0.05
    done
    [ -n "$ready" ] && break
    wait "$server"; server=''
    grep -q 'Address already in use' "$folder/server.log" || break
done
if [ -z "$server" ]; then
    echo "with_postgres.sh: PostgreSQL did not start:" >&2; cat "$folder/server.log" >&2; exit 1
fi

export TG_TEST_POSTGRES_URL="postgres://tollgate:$password@127.0.0.1:$port/postgres"
"$@" <&0 &
child=$!
wait "$child"
code=$?
child=''
exit "$code"
