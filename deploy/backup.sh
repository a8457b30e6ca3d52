#!/bin/sh
# deploy/backup.sh FILE.tar.gz: the database, pictures that were handed out, and .env with the key that credentials are encrypted with.
# Castor goes on meanwhile. Whoever has the file has every credential: keep it accordingly.
set -eu
cd "$(dirname "$0")/.."
umask 077
file=${1:?name the file to write}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

docker compose exec -T postgres pg_dump -U castor -Fc castor > "$work/database.dump"
docker compose run --rm --no-deps -T --entrypoint tar worker -C /var/lib/castor -cf - media > "$work/media.tar"
cp .env "$work/env"
tar -C "$work" -czf "$file" database.dump media.tar env
echo "Wrote $file."
