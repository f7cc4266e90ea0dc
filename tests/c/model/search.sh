#!/usr/bin/env bash
# One run of a model: search.sh right|wrong model:SWITCH,SWITCH=value
# A right one must hold in all that can happen, and all of it must have been
# seen; of a wrong one, some check must say so.
set -euo pipefail
expected=$1 run=$2
model=$(cd "$(dirname "$0")" && pwd)/${run%%:*}.pml
IFS=, read -ra switches <<<"${run#*:}"

# spin and pan choose the names of what they write: a folder for each run.
folder=${BUILD:-../build/model}/$run
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
spin "${switches[@]/#/-D}" -a "$model" >spin.log || { cat spin.log; exit 1; }
${CC:-cc} -w $([ "$expected" = right ] && echo -O2 || echo -O0) -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c
./pan -m3000000 >pan.log 2>&1 || true

states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1 states/p; s/^pan: elapsed time \(.*\) seconds/in \1 s/p' pan.log | paste -sd' ')
error=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' pan.log)
if [ "$expected" = right ] && grep -q 'errors: 0' pan.log && ! grep -qE 'not completed|too small' pan.log; then
    echo "$run: right, $states"
elif [ "$expected" = wrong ] && grep -q 'errors: 1' pan.log; then
    echo "$run: caught, $error"
else
    cat pan.log
    echo "$run: not $expected, or too large to tell; $PWD has what spin -t needs"
    exit 1
fi
