# SPDX-License-Identifier: GPL-2.0-or-later
# Turns the lines of cost-in-guest into a table. Data path: the typical cost; connect: the mean, because the kernel
# frees closed sockets later and the median would leave that out. Targets hold on 6.12, the kernel they were set for.
BEGIN {
        n_operations = split("udp udp-to tcp unix connect", operations)
        split("base empty-tracepoint empty-trampoline passive-tracepoint entry-tracepoint return-tracepoint " \
              "passive-trampoline entry-trampoline return-trampoline tcptop base-again", order)
        title["base"] = "nothing loaded (instructions in all)"
        title["empty-tracepoint"] = "two empty tracepoint programs (tp_btf)"
        title["empty-trampoline"] = "two empty trampoline programs (fentry)"
        title["tcptop"] = "tcptop (libbpf-tools)"
        title["base-again"] = "nothing loaded, measured again at the end"
        target["entry-tracepoint", "udp"] = target["entry-tracepoint", "udp-to"] = target["entry-tracepoint", "tcp"] = 450
        target["entry-trampoline", "udp"] = target["entry-trampoline", "udp-to"] = target["entry-trampoline", "tcp"] = 660
        target["passive-trampoline", "tcp"] = 10
        target["entry-tracepoint", "connect"] = target["entry-trampoline", "connect"] = 4300
}

$1 == "figure" {
        seen[$2] = 1
        cost[$2, $3] = $3 == "connect" ? $5 : $4
        next
}

$1 == "skip" {
        skipped[$2] = $0
        sub(/^skip [^ ]* /, "", skipped[$2])
}

$1 == "program" {
        programs = programs "\n| " $2 " | " $3 " | " $4 " | " $5 " | " $6 " |"
}

function thousands(n, text, sign) {
        sign = n <= -0.5 ? "-" : ""
        text = sprintf("%.0f", n < 0 ? -n : n)
        if (length(text) > 3)
                text = substr(text, 1, length(text) - 3) "," substr(text, length(text) - 2)
        return sign text
}

function cell(name, operation, added, limit) {
        if (name == "base")
                return thousands(cost[name, operation])
        added = cost[name, operation] - cost["base", operation]
        limit = kernel ~ /^6\.12\./ ? target[name, operation] : ""
        if (limit == "")
                return thousands(added)
        return sprintf(added <= limit ? "**%s** (≤ %s)" : "**%s** (target ≤ %s: MISSED)", thousands(added), thousands(limit))
}

END {
        printf "\n## Linux %s\n\n", kernel
        print "| | UDP, connected: send + receive | UDP, addressed: send + receive | TCP: send + receive | AF_UNIX: send + receive | connect + accept + close |"
        print "|---|---|---|---|---|---|"
        for (i = 1; i in order; i++) {
                name = order[i]
                if (!seen[name])
                        continue
                line = "| " (name in title ? title[name] : "socktallyd, " mode_and_method(name))
                for (j = 1; j <= n_operations; j++)
                        line = line " | " cell(name, operations[j])
                print line " |"
        }
        if (programs != "") {
                print "\n| configuration | operation | program | runs per operation | instructions per run |"
                print "|---|---|---|---|---|" programs
        }
        for (i = 1; i in order; i++)
                if (order[i] in skipped)
                        notes = notes "\n- not measured: " order[i] " (" skipped[order[i]] ")"
        if (notes != "")
                print notes
}

# entry-tracepoint is the load mode entry with the attach method tracepoint.
function mode_and_method(name) {
        sub(/-/, ", ", name)
        return name
}
