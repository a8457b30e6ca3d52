#!/bin/sh
# Health checks: `healthy.sh web | worker | beat | port NUMBER`. Status 0 means healthy.
set -eu

case "$1" in
web)
    exec python -S -c 'import http.client, os, sys
connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=4)
connection.request("GET", "/ready")
sys.exit(connection.getresponse().status != 200)'
    ;;
worker)
    exec celery -q -A proxy_site inspect ping --timeout 10 --destination "celery@$(hostname)" > /dev/null
    ;;
beat)
    # It notes every three minutes what it has sent.
    test -n "$(find /var/lib/castor -maxdepth 1 -name 'beat-schedule*' -mmin -10)"
    ;;
port)
    exec python -S -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=4)' "$2"
    ;;
esac
