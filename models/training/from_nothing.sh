#!/bin/sh
# From nothing to the shipped weights of nano and swift: models/training/from_nothing.sh DIR [PACK]
# It needs Debian 12 or a relative, npm, fluidsynth (or tinysoundfont), and some minutes of one core
# for each fit. With a PACK nothing is downloaded, and both are fitted to it. NANO and SWIFT are options
# of the fits, such as NANO="--set start_seconds=60".
set -eu
dir=${1:?give a folder}
if [ $# -gt 1 ]; then
    nano=$2 swift=$2
else
    nano=$dir/nano-pack swift=$dir/swift-pack
    verdigris train --fetch "$dir/nano-audio" --small --variants 1
    verdigris train --fetch "$dir/swift-audio" --variants 1
    verdigris train --pack "$dir/nano-audio" "$nano"
    verdigris train --pack "$dir/swift-audio" "$swift"
fi
# shellcheck disable=SC2086 # options are words
verdigris train "$nano" --state "$dir/nano" --minutes 0 ${NANO:-}
verdigris train --state "$dir/nano" --export "$dir/nano.safetensors"
# shellcheck disable=SC2086
verdigris train --model swift "$swift" --state "$dir/swift" --export "$dir/swift.safetensors" ${SWIFT:-}
