#!/usr/bin/env bash
# Installs Debian's rabbitmq-server where that is allowed, without starting its service: the tests run private nodes of it.
set -euo pipefail

if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then exit 0; fi

give_up() {
    printf '%s\n' "The tests on RabbitMQ need its server: $1." \
        "Install it (Debian, Ubuntu: sudo apt-get install rabbitmq-server); its service need not run." >&2
    if [ "${CI:-}" = true ]; then exit 1; fi # in CI a missing broker fails
    exit 0                                    # elsewhere those tests say that they were skipped, and why
}

command -v apt-get >/dev/null || give_up "this system has no apt-get to install it with"
[ "$(id -u)" = 0 ] || give_up "only root can install it"

# invoke-rc.d and deb-systemd-invoke ask this script before they start a service; 101 means no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
echo "Installing rabbitmq-server"
export DEBIAN_FRONTEND=noninteractive
options=(-qq -o DPkg::Lock::Timeout=300)
apt-get "${options[@]}" update || give_up "apt-get update failed"
apt-get "${options[@]}" install --no-install-recommends -y rabbitmq-server >/dev/null || give_up "apt-get could not install it"
