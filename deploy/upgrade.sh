#!/bin/sh
# Brings the containers up to what stands here, and serves meanwhile: new web containers are started beside the old ones, Caddy is
# told to ask only those, and the old ones get their time to end what they are answering.
set -eu
cd "$(dirname "$0")/.."

# To a container that has yet to get ready, or is ending, no request may be sent: so Caddy asks by address meanwhile.
serve_by() { docker compose exec -T -e SERVED_BY="$1" -e UPSTREAMS="${2:-}" caddy caddy reload --config /etc/caddy/Caddyfile --adapter caddyfile; }
addresses_of() {
    network='{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{$network.IPAddress}}{{"\n"}}{{end}}'
    echo "$1" | xargs docker inspect -f "$network" | awk '$1 ~ /_outside$/ { print $2 ":8000" }' | xargs
}

docker compose build "$@"
old=$(docker compose ps -q web)
if [ -z "$old" ]; then
    exec docker compose up -d
fi
count=$(echo "$old" | wc -l)
# With --no-deps, so that nothing else is touched yet: the old containers serve on.
docker compose run --rm --no-deps migrate

# Not `up --wait`: it takes a service that has ended well, as `migrate` has, for a failure.
serve_by named "$(addresses_of "$old")"
docker compose up -d --no-recreate --scale "web=$((2 * count))" web
new=$(docker compose ps -q web | grep -vxF "$old")
left=180
while echo "$new" | xargs docker inspect -f '{{.State.Health.Status}}' | grep -qvx healthy; do
    left=$((left - 1))
    if [ $left -eq 0 ]; then
        echo "$new" | head -n 1 | xargs docker logs --tail 20 >&2
        echo "$new" | xargs docker rm -f > /dev/null
        serve_by all
        echo "The new web containers do not get ready, so the old ones go on. What they said stands above." >&2
        exit 1
    fi
    sleep 1
done

serve_by named "$(addresses_of "$new")"
echo "$old" | xargs docker stop --time 90 > /dev/null
echo "$old" | xargs docker rm > /dev/null
serve_by all
# Not by `up` alone: it makes anew whatever depends on something that is new, so also the web containers of a moment ago.
docker compose rm --stop --force migrate worker beat
docker compose up -d --no-recreate --scale "web=$count"
