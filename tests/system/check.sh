# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Cases as TAP. Sourced by test-system.sh, and by vm-inside.sh in a virtual machine.

n=0
failed=0

# Runs a case; what it prints explains a failure.
check() { # SENTENCE FUNCTION
        local said
        n=$((n + 1))
        if said=$("$2" 2>&1); then
                echo "ok $n - $1"
        else
                [ -z "$said" ] || head -n 30 <<<"$said" | sed 's/^/# /'
                echo "not ok $n - $1"
                failed=$((failed + 1))
        fi
}
