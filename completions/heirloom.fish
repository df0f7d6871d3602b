# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_heirloom_global_optspecs
    string join \n r/repo= M/mirror= config= limit-upload= limit-download= p/passphrase-file= passphrase-command= passphrase-fd= key-file= words kdf-limit= json q/quiet v/verbose progress= color= cache-dir= no-cache memory= wait= h/help V/version
end

function __fish_heirloom_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_heirloom_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_heirloom_using_subcommand
    set -l cmd (__fish_heirloom_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c heirloom -n "__fish_heirloom_needs_command" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_needs_command" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_needs_command" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_needs_command" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_needs_command" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_needs_command" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_needs_command" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_needs_command" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_needs_command" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_needs_command" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_needs_command" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_needs_command" -s V -l version -d 'Print version'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "init" -d 'Make a repository in one empty place or several'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "backup" -d 'Save files and folders as one more snapshot'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "create" -d 'Save files and folders as one more snapshot'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "snapshots" -d 'List the snapshots, oldest first'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "ls" -d 'List a folder of a snapshot'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "restore" -d 'Bring files back from a snapshot'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "extract" -d 'Bring files back from a snapshot'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "verify" -d 'Read everything back and prove that it is whole'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "check" -d 'Read everything back and prove that it is whole'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "heal" -d 'Replace what is damaged or missing on a mirror, from its parity or from the others'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "repair" -d 'Replace what is damaged or missing on a mirror, from its parity or from the others'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "prune" -d 'Delete what no snapshot needs, and take back its space'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "mirror" -d 'Add, list, try out, sync and remove the places that hold the repository'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "forget" -d 'Drop snapshots by rule or by name; undelete takes them back'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "pin" -d 'Keep snapshots whatever the rules say, also when they are named'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "undelete" -d 'Bring back what was forgotten'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "key" -d 'List, add, remove and change what opens the repository'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "cat" -d 'Spell out one object of the repository'
complete -c heirloom -n "__fish_heirloom_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l kit -d 'Write the recovery kit to FILE [default: heirloom-kit.txt in the home folder]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l parity -d 'How much parity each of them shall have, which brings damaged sectors back without another mirror; 0 for none [default: 5% in a folder, 0 elsewhere]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l no-kit -d 'Make no recovery words and no kit'
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l kit -d 'Write the recovery kit to FILE [default: heirloom-kit.txt in the home folder]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s e -l exclude -d 'Leave out what matches PATTERN; `!PATTERN` takes it back' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l iexclude -d 'The same, upper and lower case alike' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l exclude-file -d 'Read patterns from FILE, one a line' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l exclude-if-present -d 'Leave out what lies beside a file NAME, or one that begins with HEADER' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l exclude-larger-than -d 'Leave out files larger than SIZE' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l tag -d 'A word to find the snapshot by' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l name -d 'Name of the source [default: its paths]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l compression -d 'How hard to compress [default: auto]' -r -f -a "fast\t'Light'
auto\t'What pays'
max\t'Hard and slow'
off\t'Not at all'"
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l shrink -d 'Part of its files that the source may lose before a snapshot is suspect; `off` for any [default: 50%]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l accept -d 'The suspect snapshot ID is as it should be, and what later ones are measured by' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s n -l dry-run -d 'Read and count what would be saved, and save nothing'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l init -d 'Make the repository first if there is none'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l no-kit -d 'Make no recovery words and no kit'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l verify -d 'Read everything back afterwards, as `heirloom verify` does'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l exclude-caches -d 'Leave out what lies beside a CACHEDIR.TAG'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s x -l one-file-system -d 'Stay on the file systems of the paths'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s f -l force -d 'Read every file again'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l skip-if-unchanged -d 'Make no snapshot where nothing has changed'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l no-recheck -d 'Do not open again what was sealed before it counts as stored'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l kit -d 'Write the recovery kit to FILE [default: heirloom-kit.txt in the home folder]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s e -l exclude -d 'Leave out what matches PATTERN; `!PATTERN` takes it back' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l iexclude -d 'The same, upper and lower case alike' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l exclude-file -d 'Read patterns from FILE, one a line' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l exclude-if-present -d 'Leave out what lies beside a file NAME, or one that begins with HEADER' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l exclude-larger-than -d 'Leave out files larger than SIZE' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l tag -d 'A word to find the snapshot by' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l name -d 'Name of the source [default: its paths]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l compression -d 'How hard to compress [default: auto]' -r -f -a "fast\t'Light'
auto\t'What pays'
max\t'Hard and slow'
off\t'Not at all'"
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l shrink -d 'Part of its files that the source may lose before a snapshot is suspect; `off` for any [default: 50%]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l accept -d 'The suspect snapshot ID is as it should be, and what later ones are measured by' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s n -l dry-run -d 'Read and count what would be saved, and save nothing'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l init -d 'Make the repository first if there is none'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l no-kit -d 'Make no recovery words and no kit'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l verify -d 'Read everything back afterwards, as `heirloom verify` does'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l exclude-caches -d 'Leave out what lies beside a CACHEDIR.TAG'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s x -l one-file-system -d 'Stay on the file systems of the paths'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s f -l force -d 'Read every file again'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l skip-if-unchanged -d 'Make no snapshot where nothing has changed'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l no-recheck -d 'Do not open again what was sealed before it counts as stored'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -s s -l source -d 'Of this source alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l device -d 'Made by this machine alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l tag -d 'With this tag; several must all be there' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l path -d 'Of this path; one of several is enough' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l deleted -d 'Those that were forgotten and can still be taken back'
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand snapshots" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s s -l source -d 'Of this source alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l device -d 'Made by this machine alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l tag -d 'With this tag; several must all be there' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l path -d 'Of this path; one of several is enough' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s l -l long -d 'Mode, owner, size and time too'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s R -l recursive -d 'All folders below'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s t -l target -d 'The folder to write into' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s s -l source -d 'Of this source alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l device -d 'Made by this machine alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l tag -d 'With this tag; several must all be there' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l path -d 'Of this path; one of several is enough' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s i -l include -d 'Only what matches PATTERN' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s e -l exclude -d 'All but what matches PATTERN' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l overwrite -d 'What to do with files that are there' -r -f -a "always\t'Replace every file'
if-changed\t'Replace what differs in size or time'
if-newer\t'Replace what is older than in the snapshot'
never\t'Replace nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l in-place -d 'Write everything to where it came from'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l delete -d 'Delete from restored folders what the snapshot does not have; asks first'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l yes -d 'Answer the question of --delete with yes'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l verify -d 'Read everything back afterwards'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l privileged -d 'Device nodes, set-id bits and attributes that grant something too'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l skip-incomplete -d 'Leave out files with missing pieces'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s n -l dry-run -d 'Write nothing; say what would be done'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s t -l target -d 'The folder to write into' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s s -l source -d 'Of this source alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l device -d 'Made by this machine alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l tag -d 'With this tag; several must all be there' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l path -d 'Of this path; one of several is enough' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s i -l include -d 'Only what matches PATTERN' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s e -l exclude -d 'All but what matches PATTERN' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l overwrite -d 'What to do with files that are there' -r -f -a "always\t'Replace every file'
if-changed\t'Replace what differs in size or time'
if-newer\t'Replace what is older than in the snapshot'
never\t'Replace nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l in-place -d 'Write everything to where it came from'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l delete -d 'Delete from restored folders what the snapshot does not have; asks first'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l yes -d 'Answer the question of --delete with yes'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l verify -d 'Read everything back afterwards'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l privileged -d 'Device nodes, set-id bits and attributes that grant something too'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l skip-incomplete -d 'Leave out files with missing pieces'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s n -l dry-run -d 'Write nothing; say what would be done'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand extract" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l level -d 'How deeply to look' -r -f -a "structure\t'Every needed object is there at the right size, the small ones are whole'
stored\t'And every stored byte is read and compared with the name of its object'
content\t'And every box is opened, every block expanded, every id recomputed'"
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l budget -d 'The same, and end after so many bytes or so long a time of each mirror, as in 2GiB or 20m' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l all -d 'Read everything [default]'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l due -d 'Read what has not been read back for verify_every [default: 30d], the longest unread first'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l heal -d 'Then heal what was found'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l no-key -d 'Use no secret: compare every object with its name'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l level -d 'How deeply to look' -r -f -a "structure\t'Every needed object is there at the right size, the small ones are whole'
stored\t'And every stored byte is read and compared with the name of its object'
content\t'And every box is opened, every block expanded, every id recomputed'"
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l budget -d 'The same, and end after so many bytes or so long a time of each mirror, as in 2GiB or 20m' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l all -d 'Read everything [default]'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l due -d 'Read what has not been read back for verify_every [default: 30d], the longest unread first'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l heal -d 'Then heal what was found'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l no-key -d 'Use no secret: compare every object with its name'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -s n -l dry-run -d 'Say what would be done, and write nothing'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l all -d 'Read everything first, whatever the last verify said'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l find-snapshots -d 'Look in the packs for snapshots whose entries no mirror has any more, give those entries up, and list what is found as snapshots of the source "found again"'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l no-key -d 'Use no secret: read everything, replace what is there and damaged; what is missing stays so'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand heal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -s n -l dry-run -d 'Say what would be done, and write nothing'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l all -d 'Read everything first, whatever the last verify said'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l find-snapshots -d 'Look in the packs for snapshots whose entries no mirror has any more, give those entries up, and list what is found as snapshots of the source "found again"'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l no-key -d 'Use no secret: read everything, replace what is there and damaged; what is missing stays so'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand repair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l max-unused -d 'What may lie unused in packs that stay, of what is used' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l max-rewrite -d 'Write at most so much anew; the rest waits for the next run' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -s n -l dry-run -d 'Say what would be freed, and write nothing'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l end-dead -d 'End what died at work where the place cannot decide that; only if you know that nobody is at work there'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l clock-ok -d 'Whatever this device\'s clock says'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -f -a "add" -d 'Add a mirror: try the place out, write it into heirloom.toml, and bring it everything'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -f -a "list" -d 'List the mirrors: what each lacks, how much it holds, when all of it was last read back, and what they share'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -f -a "test" -d 'Try out what a place really does; nothing stays behind'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -f -a "sync" -d 'Bring mirrors what others have'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -f -a "remove" -d 'Forget a mirror; nothing is deleted there'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and not __fish_seen_subcommand_from add list test sync remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l site -d 'What one fire or theft would take together with other mirrors, as in home' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l parity -d 'How much parity it shall have, which brings damaged sectors back without another mirror; 0 for none [default: 5% in a folder, 0 elsewhere]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l append-only -d 'Never delete anything there from this device, whose credentials need no right to; another machine prunes it'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l no-sync -d 'Bring it nothing yet'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l accept-rollback -d 'Take what the mirror shows now for what it should show'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l abandon -d 'Also if it alone holds a snapshot, or nobody can tell'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a mirror: try the place out, write it into heirloom.toml, and bring it everything'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the mirrors: what each lacks, how much it holds, when all of it was last read back, and what they share'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from help" -f -a "test" -d 'Try out what a place really does; nothing stays behind'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from help" -f -a "sync" -d 'Bring mirrors what others have'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Forget a mirror; nothing is deleted there'
complete -c heirloom -n "__fish_heirloom_using_subcommand mirror; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s l -l keep-last -d 'Keep the newest N' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s H -l keep-hourly -d 'Keep the newest of each of N hours' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s d -l keep-daily -d 'Keep the newest of each of N days' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s w -l keep-weekly -d 'Keep the newest of each of N weeks' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s m -l keep-monthly -d 'Keep the newest of each of N months' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s y -l keep-yearly -d 'Keep the newest of each of N years' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l keep-within -d 'Keep everything made within this time before the newest good snapshot, as in 2y, 6m or 1y3m14d (m is months)' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l keep-within-hourly -d 'Keep the newest of each hour within this time' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l keep-within-daily -d 'Keep the newest of each day within this time' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l keep-within-weekly -d 'Keep the newest of each week within this time' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l keep-within-monthly -d 'Keep the newest of each month within this time' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l keep-within-yearly -d 'Keep the newest of each year within this time' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l keep-tag -d 'Keep what has this tag; A,B wants both, and several flags one of them' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s s -l source -d 'Of this source alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l device -d 'Made by this machine alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l tag -d 'With this tag; several must all be there' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l path -d 'Of this path; one of several is enough' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l drop-source -d 'This source may lose its last good snapshot; alone, all of its snapshots go' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s n -l dry-run -d 'Say what would be forgotten, and write nothing'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l prune -d 'Prune afterwards; what is forgotten now still keeps what it holds until its time is over. With -n: say what that would free now, and what later'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l below-min-good -d 'The newest good snapshots may go too'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand forget" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -s s -l source -d 'Of this source alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l device -d 'Made by this machine alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l tag -d 'With this tag; several must all be there' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l path -d 'Of this path; one of several is enough' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l reason -d 'Why, for whoever looks at it later' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l remove -d 'Unpin them'
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand pin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -s n -l dry-run -d 'Look whether they could come back, and write nothing'
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand undelete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -f -a "list" -d 'List the key slots'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -f -a "add" -d 'Add a passphrase or a key file'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -f -a "remove" -d 'Remove a key slot'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -f -a "passwd" -d 'Change the passphrase'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and not __fish_seen_subcommand_from list add remove passwd help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l label -d 'What the slot is called in the list [default: this machine\'s name]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l new-key-file -d 'A key file, made if it does not exist' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l new-passphrase-file -d 'The first line of FILE is the new passphrase' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l new-passphrase-file -d 'The first line of FILE is the new passphrase' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the key slots'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a passphrase or a key file'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a key slot'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "passwd" -d 'Change the passphrase'
complete -c heirloom -n "__fish_heirloom_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -s s -l source -d 'Of this source alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l device -d 'Made by this machine alone' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l tag -d 'With this tag; several must all be there' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l path -d 'Of this path; one of several is enough' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -s r -l repo -d 'Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default: the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -s M -l mirror -d 'Work with this mirror of heirloom.toml alone, once for each' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l config -d 'The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l limit-upload -d 'Send at most so many bytes a second to mirrors far away, as in 2MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l limit-download -d 'Receive at most so many bytes a second' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -s p -l passphrase-file -d 'Read the passphrase from the first line of FILE' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l passphrase-command -d 'Read the passphrase from what a shell command prints' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l passphrase-fd -d 'Read the passphrase from an open descriptor' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l key-file -d 'Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l kdf-limit -d 'Passphrase slots to try at most, each about a second [default: 3]' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l progress -d 'How progress is shown [default: auto]' -r -f -a "auto\t'A bar on a terminal, nothing elsewhere'
bar\t'A bar on a terminal'
lines\t'A line every ten seconds'
none\t'Nothing'"
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Everywhere'
never\t'Nowhere'"
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l cache-dir -d 'Where to keep what can be made again' -r -F
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l memory -d 'Memory to keep within, at least 147MiB' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l wait -d 'Wait so long for another heirloom of this device, as in 90s, 15m or 2h' -r
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l words -d 'Ask for the twelve recovery words'
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l json -d 'One JSON object per line on stdout'
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -s q -l quiet -d 'Errors and the summary only'
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -s v -l verbose -d 'Name each file'
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -l no-cache -d 'Keep no cache: slower, never different'
complete -c heirloom -n "__fish_heirloom_using_subcommand cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "init" -d 'Make a repository in one empty place or several'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "backup" -d 'Save files and folders as one more snapshot'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "snapshots" -d 'List the snapshots, oldest first'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "ls" -d 'List a folder of a snapshot'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "restore" -d 'Bring files back from a snapshot'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "verify" -d 'Read everything back and prove that it is whole'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "heal" -d 'Replace what is damaged or missing on a mirror, from its parity or from the others'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "prune" -d 'Delete what no snapshot needs, and take back its space'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "mirror" -d 'Add, list, try out, sync and remove the places that hold the repository'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "forget" -d 'Drop snapshots by rule or by name; undelete takes them back'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "pin" -d 'Keep snapshots whatever the rules say, also when they are named'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "undelete" -d 'Bring back what was forgotten'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "key" -d 'List, add, remove and change what opens the repository'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "cat" -d 'Spell out one object of the repository'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls restore verify heal prune mirror forget pin undelete key cat help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from mirror" -f -a "add" -d 'Add a mirror: try the place out, write it into heirloom.toml, and bring it everything'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from mirror" -f -a "list" -d 'List the mirrors: what each lacks, how much it holds, when all of it was last read back, and what they share'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from mirror" -f -a "test" -d 'Try out what a place really does; nothing stays behind'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from mirror" -f -a "sync" -d 'Bring mirrors what others have'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from mirror" -f -a "remove" -d 'Forget a mirror; nothing is deleted there'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List the key slots'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "add" -d 'Add a passphrase or a key file'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "remove" -d 'Remove a key slot'
complete -c heirloom -n "__fish_heirloom_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "passwd" -d 'Change the passphrase'
