#!/bin/sh
# Makes .env, if there is none, and those secrets in it that are missing. What is there stays as it is. Needs nothing but a shell.
set -eu
cd "$(dirname "$0")/.."
umask 077
test -e .env || cp .env.example .env

chance() { head -c "$1" /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'; }

for name in SECRET_KEY CREDENTIAL_ENCRYPTION_KEYS POSTGRES_PASSWORD; do
    grep -qE "^(export )?$name=['\"]?[^'\"]" .env && continue
    case $name in
    CREDENTIAL_ENCRYPTION_KEYS) value=$(chance 32) ;;
    *) value=$(chance 36) ;;
    esac
    # Below the line that explains it, where an empty one or a comment stands.
    awk -v line="$name=$value" -v at="^#?$name=" '$0 ~ at && !done { print line; done = 1; next } { print } END { if (!done) print line }' \
        .env > .env.new
    cat .env.new > .env
    rm .env.new
    echo "Made $name in .env."
done
