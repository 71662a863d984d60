#!/bin/bash
# Records transcripts of `ip` from the running kernel for test/kunit/net/ipv4/fib_linux.test.ts: one namespace per scene.
# Usage (root): tools/record-fib.sh SCENES-DIR OUT-DIR. A scene has one command per line, without "ip"; "monitor" and
# "monitor end" frame commands whose notifications are recorded; "sysctl NAME=VALUE" sets one.
set -eu
for scene in "$1"/*.scene; do
  ns=rec$$
  out="$2/$(basename "$scene" .scene).txt"
  ip netns add $ns
  : > "$out"
  while IFS= read -r line; do
    [ -z "$line" ] && continue
    echo "\$ $line" >> "$out"
    case "$line" in
      "#"*) ;;
      monitor) ip -n $ns -4 monitor route address rule nexthop > "$out.mon" & mon=$!; sleep 0.3 ;;
      "monitor end") sleep 0.3; kill $mon; wait $mon 2> /dev/null || true; cat "$out.mon" >> "$out"; rm "$out.mon" ;;
      sysctl*) ip netns exec $ns sysctl -q "${line#sysctl }" ;;
      # A group has no family.
      # shellcheck disable=SC2086
      nexthop*) ip -n $ns $line >> "$out" 2>&1 || true ;;
      # shellcheck disable=SC2086
      *) ip -n $ns -4 $line >> "$out" 2>&1 || true ;;
    esac
    # Carrier events reach the routes a moment later.
    case "$line" in link*) sleep 0.2 ;; esac
  done < "$scene"
  ip netns del $ns
  # What only ip or the machine decides: link lines of `addr show`, cache lines of `route get`.
  sed -i -e '/^[0-9]*: .*mtu/d' -e '/^    link\//d' -e '/^    cache/d' -e 's/ uid 0 *$/ /' "$out"
done
