# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of socktally(1) for fish. The command itself knows what may come next: "word<Tab>explanation" per line.

function __socktally_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] complete $words[2..-1] 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (commandline -ct)
            case :directories
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end

complete -c socktally -f -a '(__socktally_complete)'
