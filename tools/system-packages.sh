#!/bin/sh
# Installs what some tests need of the system, where this user may: Chromium, strace and PostgreSQL
# on Debian. Elsewhere those tests are skipped with their reason; with CI=true a skip is a failure.
set -u
missing=""
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
    command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
[ "$(uname)" = Linux ] && { command -v strace >/dev/null 2>&1 || missing="$missing strace"; }
# Debian keeps the server's programs off PATH; the tests look there too.
command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ||
    missing="$missing postgresql"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null &&
        apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
        echo "could not install$missing: the tests that need it are skipped" >&2
else
    echo "not here:$missing; the tests that need it are skipped" >&2
fi
exit 0
