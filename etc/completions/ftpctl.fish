# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ftpctl_global_optspecs
    string join \n s/socket= j/json h/help V/version
end

function __fish_ftpctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ftpctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ftpctl_using_subcommand
    set -l cmd (__fish_ftpctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ftpctl -n "__fish_ftpctl_needs_command" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_needs_command" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -s V -l version -d 'Print version'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "status" -d 'Say how the daemon is, where it listens, and how many it serves'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "who" -d 'List the clients who are connected'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "kick" -d 'End the connections of a client, with everything that belongs to them'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "log-level" -d 'Say how much is logged, or log this much from now on, until the configuration is loaded again'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "metrics" -d 'Print what was counted since the daemon was started, for Prometheus and its like'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "reload" -d 'Load the configuration again, and wait; if it is of no use, say why: then the old one stays'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "drain" -d 'Refuse new clients, and serve those who are there until they leave'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "stop" -d 'Stop the daemon: no new clients, transfers that are running may finish; wait until it has ended'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand status" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand status" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand who" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand who" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand who" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s u -l user -d 'It is the name of a user, whatever it looks like'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand log-level" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand log-level" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand log-level" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s t -l textfile -d 'Write them to this file, in the older format, for the textfile collector of node_exporter; who reads it meanwhile finds what was there before' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s f -l format -d 'In which format' -r -f -a "openmetrics\t'OpenMetrics 1.0'
prometheus\t'The older format of Prometheus'"
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand reload" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand reload" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand reload" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -l wait -d 'Wait until the last client has left; at most so many seconds, if a number follows' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -l off -d 'Serve new clients again'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s g -l grace -d 'How long transfers may go on, in place of shutdown-grace' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s s -l socket -d 'The control socket of the daemon, where the configuration has another (socket in [control])' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -l now -d 'End transfers, too; the same as --grace 0'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -l no-wait -d 'Do not wait until the daemon has ended'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s h -l help -d 'Print help'
