#!/bin/sh
# Rules by which only the gateway's user opens connections that leave this network namespace. Others reach the loopback, where
# the gateway listens, and answer connections that come from outside. Ends with an error where a rule cannot be made: then
# the pod does not start.
set -eu

uids=${GATEWAY_UIDS:?the user ids of the gateway, with spaces between}
cidrs=${ALLOWED_CIDRS:-}
dns=${ALLOW_DNS:-false}
chain=CHAPERONE_EGRESS

# $1: iptables or ip6tables. $2: the networks of its family that stay open.
restrict() {
  "$1" -w -N "$chain" 2>/dev/null || "$1" -w -F "$chain"
  "$1" -w -A "$chain" -o lo -j RETURN
  # By these IPv6 finds its neighbours: the kernel sends them, for whoever it is.
  if [ "$1" = ip6tables ]; then
    for type in 133 135 136 143; do "$1" -w -A "$chain" -p icmpv6 --icmpv6-type "$type" -j RETURN; done
  fi
  for uid in $uids; do
    "$1" -w -A "$chain" -m owner --uid-owner "$uid" -j RETURN
  done
  # Answers to whoever asked the agent; a connection that the agent begins is new.
  "$1" -w -A "$chain" -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  if [ "$dns" = true ]; then
    "$1" -w -A "$chain" -p udp --dport 53 -j RETURN
    "$1" -w -A "$chain" -p tcp --dport 53 -j RETURN
  fi
  for cidr in $2; do
    "$1" -w -A "$chain" -d "$cidr" -j RETURN
  done
  # At once, so that an agent that goes astray says so instead of waiting.
  "$1" -w -A "$chain" -p tcp -j REJECT --reject-with tcp-reset
  "$1" -w -A "$chain" -j REJECT
  "$1" -w -C OUTPUT -j "$chain" 2>/dev/null || "$1" -w -I OUTPUT 1 -j "$chain"
}

v4=
v6=
for cidr in $cidrs; do
  case $cidr in
    *:*) v6="$v6 $cidr" ;;
    *) v4="$v4 $cidr" ;;
  esac
done

restrict iptables "$v4"
# A kernel without IPv6 has no way out by it.
if [ -e /proc/net/if_inet6 ]; then restrict ip6tables "$v6"; fi
echo "only the users $uids open connections out of this pod"
