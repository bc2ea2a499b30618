#!/usr/bin/env bash
# Runs a test program until its first test fails: hack/first-failure.sh PROGRAM ARGUMENTS...
set -euo pipefail

coproc program { exec "$@" 2>&1; }
# The shell forgets both once the program has ended.
id=$program_PID
exec {output}<&"${program[0]}"
while IFS= read -r line <&"$output"; do
  printf '%s\n' "$line"
  if [[ $line == 'test '*' ... FAILED' ]]; then
    kill "$id"
    exit 101
  fi
done
wait "$id"
