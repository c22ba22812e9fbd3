#!/bin/sh
# Sends the TCP connections that begin in this network namespace to the gateway's transparent listener, and takes that back.
#   GATEWAY_UID=10001 PORT=15001 envoy/iptables.sh add|remove
# GATEWAY_UID: the user that the service and Envoy run as; its own connections go out. PORT: the listener's.
# AGENT_UID: only this user's connections are sent there; default: everybody's but the gateway's.
set -eu
PORT=${PORT:-15001}
GATEWAY_UID=${GATEWAY_UID:-10001}
chain=CHAPERONE_EGRESS

remove() {
  for ipt in iptables ip6tables; do
    command -v "$ipt" > /dev/null || continue
    "$ipt" -w -t nat -D OUTPUT -p tcp -j "$chain" 2> /dev/null || true
    "$ipt" -w -t nat -F "$chain" 2> /dev/null || true
    "$ipt" -w -t nat -X "$chain" 2> /dev/null || true
    "$ipt" -w -D OUTPUT -p udp --dport 443 -j "$chain" 2> /dev/null || true
    "$ipt" -w -D OUTPUT -p tcp -j "$chain" 2> /dev/null || true
    "$ipt" -w -F "$chain" 2> /dev/null || true
    "$ipt" -w -X "$chain" 2> /dev/null || true
  done
}

# The gateway's own go out, and of the others only those of AGENT_UID are meant, where it is said.
passes() {
  "$@" -m owner --uid-owner "$GATEWAY_UID" -j RETURN
  [ -z "${AGENT_UID:-}" ] || "$@" -m owner ! --uid-owner "$AGENT_UID" -j RETURN
}

add() {
  remove
  iptables -w -t nat -N "$chain"
  passes iptables -w -t nat -A "$chain"
  # What is within this machine or pod is no way out: the gateway's other listeners, probes.
  iptables -w -t nat -A "$chain" -o lo -d 127.0.0.0/8 -j RETURN
  iptables -w -t nat -A "$chain" -p tcp -j REDIRECT --to-ports "$PORT"
  iptables -w -t nat -A OUTPUT -p tcp -j "$chain"
  # QUIC would go past it; clients fall back to TCP at once.
  iptables -w -N "$chain"
  passes iptables -w -A "$chain"
  iptables -w -A "$chain" -j REJECT
  iptables -w -A OUTPUT -p udp --dport 443 -j "$chain"
  # The listener has an IPv4 address: IPv6 falls back to IPv4.
  if command -v ip6tables > /dev/null && ip6tables -w -L OUTPUT > /dev/null 2>&1; then
    ip6tables -w -N "$chain"
    passes ip6tables -w -A "$chain"
    ip6tables -w -A "$chain" -o lo -j RETURN
    ip6tables -w -A "$chain" -p tcp -j REJECT --reject-with tcp-reset
    ip6tables -w -A "$chain" -p udp -j REJECT
    ip6tables -w -A OUTPUT -p tcp -j "$chain"
    ip6tables -w -A OUTPUT -p udp --dport 443 -j "$chain"
  fi
}

case "${1:-}" in
  add) add ;;
  remove) remove ;;
  *) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
esac
