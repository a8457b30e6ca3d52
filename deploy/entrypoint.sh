#!/bin/sh
# What every container of Castor begins with. A command that is wrong about its settings says so itself, in one sentence.
set -eu

# The demo profile adds a simulator of Google: where it runs, it is asked instead of Google, with a key that it takes for good.
if [ -n "${DEMO_UPSTREAM:-}" ] && getent hosts "${DEMO_UPSTREAM%:*}" > /dev/null; then
    echo "The simulator at $DEMO_UPSTREAM is asked instead of Google." >&2
    export GOOGLE_GEMINI_BASE_URL="http://$DEMO_UPSTREAM" CODE_ASSIST_ENDPOINT="http://$DEMO_UPSTREAM" GEMINI_API_KEYS=demo-key
fi

exec "$@"
