#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Lets Spin search the models of the shared segment exhaustively: the protocols as they are must hold, and every model
# from which one part of the protocol was taken away must be rejected, or the model proves nothing.
here=$(cd "$(dirname "$0")" && pwd)
CC=${CC:-cc}
for tool in spin "$CC"; do
        command -v "${tool%% *}" >/dev/null || {
                echo "1..0 # SKIP $tool is not installed (Debian: spin, gcc)"
                exit 0
        }
done
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' INT TERM HUP
cd "$scratch" || exit 99
count=0

# search MODEL DEFINITIONS...: leaves the verdict in "verdict" (holds, rejected, failed) and the reason in "reason".
search() {
        model=$1
        shift
        # A counterexample is found sooner than an optimising compiler is done.
        [ "$expected" = holds ] && optimise=-O1 || optimise=-O0
        rm -f pan* ./*.trail
        verdict=failed
        if ! spin "$@" -a "$here/$model" >log 2>&1 || ! $CC "$optimise" -w -DSAFETY -o pan pan.c >>log 2>&1; then
                reason=$(tail -n 1 log)
                return
        fi
        ./pan -m200000 -w22 >log 2>&1
        states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log)
        reason=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' log)
        if grep -q 'max search depth too small\|Search not completed\|out of memory' log && [ -z "$reason" ]; then
                reason='the search was cut short'
        elif grep -q 'errors: 0$' log; then
                verdict=holds
                reason="$states states"
        elif echo "$reason" | grep -q 'assertion violated'; then
                verdict=rejected
                reason="$states states, $reason"
        fi
}

# expect VERDICT MODEL "SENTENCE" DEFINITIONS...
expect() {
        expected=$1
        sentence=$3
        model=$2
        shift 3
        count=$((count + 1))
        search "$model" "$@"
        if [ "$verdict" = "$expected" ]; then
                echo "ok $count - $sentence ($verdict: $reason)"
        else
                echo "not ok $count - $sentence"
                echo "# spin $* $model: expected $expected, got $verdict: $reason"
                tail -n 20 log | sed 's/^/# /'
        fi
}

expect holds segment.pml 'two slots hold with a death at every store'
expect holds segment.pml 'three slots hold with a death at every store' -DN_SLOTS=3
expect holds segment.pml 'three words in a slot hold' -DN_WORDS=3 -DLAST=3 -DKILLS=1
expect holds segment.pml 'three slots need no call between publications' -DN_SLOTS=3 -DLAST=5 -DBROKEN_NO_CALL_BETWEEN -DKILLS=1
expect holds segment.pml 'the even counter need not be a release if published is' -DSPARE_EVEN_RELAXED -DLAST=3 -DKILLS=1
expect holds segment.pml 'the opening load need not be an acquire if that of published is' -DSPARE_OPENING_RELAXED -DLAST=3
for part in \
        IN_PLACE:'one slot that is filled in place' \
        EVEN_AGAIN:'a successor that makes the counter even again' \
        FILLS_PUBLISHED:'a writer that fills the published slot' \
        PUBLISHED_FIRST:'a number that is published before its slot is filled' \
        PUBLISHED_RELAXED:'a published number without release' \
        NO_ODD:'a counter that is not odd while its slot is filled' \
        NO_WRITER_FENCE:'no release fence after the odd counter' \
        NO_READER_FENCE:'no acquire fence before the closing load' \
        NO_CLOSING_CHECK:'no second look at the counter' \
        ANY_EVEN:'a reader that takes any even counter' \
        NO_CALL_BETWEEN:'two slots and no system call between publications' \
        NAMED_EARLY:'a file that gets its name before its first publication' \
        STARTS_AGAIN:'a successor that starts numbering again'; do
        expect rejected segment.pml "${part#*:}" "-DBROKEN_${part%%:*}"
done
expect holds waiting.pml 'two readers sleep through nothing, whatever happens to the writer'
for part in \
        SAME_WORD:'a wake-up that does not change the word' \
        ANNOUNCED_FIRST:'a wake-up before the publication' \
        SILENT_SUCCESSION:'a succession without a wake-up' \
        LOOKS_FIRST:'a reader that loads the words after it looked' \
        OWNER_UNWATCHED:'a reader that does not wait for the death' \
        NO_WAITERS_BIT:'a death word without the waiters bit' \
        KEEPS_IT:'a reader that does not pass the news of a death on'; do
        expect rejected waiting.pml "${part#*:}" "-DBROKEN_${part%%:*}"
done
echo "1..$count"
