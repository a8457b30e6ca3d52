#!/bin/sh
# deploy/restore.sh FILE.tar.gz: puts back what deploy/backup.sh wrote, in place of what is there. On a new machine, .env as well.
set -eu
cd "$(dirname "$0")/.."
umask 077
file=${1:?name the file that deploy/backup.sh wrote}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tar -C "$work" -xzf "$file"
keys() { sed -nE "s/^(export )?CREDENTIAL_ENCRYPTION_KEYS=['\"]?([^'\"]*)['\"]?$/\2/p" "$1" | tail -n 1 | tr ',' '\n'; }
if ! test -e .env; then
    cp "$work/env" .env
elif [ -n "$(keys "$work/env" | grep -vxF "$(keys .env)")" ]; then
    echo "The backup's credentials are encrypted with keys that .env does not name. Add those of its .env (tar -xzOf $file env) to" \
        "CREDENTIAL_ENCRYPTION_KEYS, behind a comma." >&2
    exit 1
fi

count=$(docker compose ps -q web | wc -l)
docker compose stop web worker beat
docker compose up -d --wait postgres
docker compose exec -T postgres dropdb -U castor --if-exists --force castor
docker compose exec -T postgres createdb -U castor castor
docker compose exec -T postgres pg_restore -U castor -d castor --no-owner --exit-on-error < "$work/database.dump"
docker compose run --rm --no-deps -T --entrypoint tar worker -C /var/lib/castor -xf - < "$work/media.tar"
if [ "$count" -gt 0 ]; then
    docker compose up -d --scale "web=$count"
else
    docker compose up -d
fi
