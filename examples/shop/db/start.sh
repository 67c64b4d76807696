#!/bin/sh
# The first start makes the database; every start runs it in the foreground, as process 1.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=shop --pwfile=/run/secrets/db_password \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C >/dev/null
    echo "host all all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"
    mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -c listen_addresses='*'
