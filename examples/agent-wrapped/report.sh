#!/bin/sh
# Writes a report of ten lines, and goes on where it was left. It knows nothing of Lastgood.
set -eu
report=${1:-report.md}
touch "$report"
while n=$(($(wc -l < "$report") + 1)) && [ "$n" -le 10 ]; do
  echo "line $n, seen at $(date -u +%H:%M:%S)" >> "$report"
  echo "wrote line $n"
  sleep "${PAUSE:-1}"
done
