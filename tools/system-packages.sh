#!/bin/sh
# Installs what some tests and `make stack` need of the system, where this user may: on Debian as
# root. Elsewhere those tests are skipped with their reason; with CI=true a skip is a failure.
# Programs that are named are all that is seen to: `make bench` asks for wrk.
set -u
here() {
    case $1 in
    chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
    # Debian keeps the server's programs off PATH; the tests look there too.
    postgres) command -v postgres || ls /usr/lib/postgresql/*/bin/postgres ;;
    strace) [ "$(uname)" != Linux ] || command -v strace ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}
package() {
    case $1 in
    postgres) echo postgresql ;;
    java) echo default-jre-headless ;;
    mvn) echo maven ;;
    *) echo "$1" ;;
    esac
}
[ $# -gt 0 ] || set -- chromium strace postgres redis-server java mvn
missing=""
for program in "$@"; do
    here "$program" || missing="$missing $(package "$program")"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null &&
        apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
        echo "could not install$missing: what needs it is left out" >&2
else
    echo "not here:$missing; what needs it is left out" >&2
fi
exit 0
