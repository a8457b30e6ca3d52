#!/bin/sh
# Brings the containers up to what stands here, and loses no request: new web containers are started beside the old ones, Caddy is
# told to ask only those, and the old ones get their time to end what they are answering.
set -eu
cd "$(dirname "$0")/.."

serve_by() { docker compose exec -T -e SERVED_BY="$1" -e UPSTREAMS="${2:-}" caddy caddy reload --config /etc/caddy/Caddyfile --adapter caddyfile; }

docker compose build "$@"
old=$(docker compose ps -q web)
if [ -z "$old" ]; then
    exec docker compose up -d
fi
count=$(echo "$old" | wc -l)
docker compose run --rm migrate

if ! docker compose up -d --wait --wait-timeout 180 --no-deps --no-recreate --scale "web=$((2 * count))" web; then
    docker compose ps -q web | grep -vxF "$old" | xargs -r docker rm -f > /dev/null
    echo "The new web containers do not get ready, so the old ones go on: docker compose logs migrate web" >&2
    exit 1
fi
new=$(docker compose ps -q web | grep -vxF "$old")
network='{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{$network.IPAddress}}{{"\n"}}{{end}}'
serve_by named "$(echo "$new" | xargs docker inspect -f "$network" | awk '$1 ~ /_outside$/ { print $2 ":8000" }' | xargs)"
echo "$old" | xargs docker stop --time 90 > /dev/null
echo "$old" | xargs docker rm > /dev/null
serve_by all
docker compose up -d --scale "web=$count"
