# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ftpctl_global_optspecs
    string join \n c/config= s/socket= j/json h/help V/version
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

complete -c ftpctl -n "__fish_ftpctl_needs_command" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_needs_command" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_needs_command" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -s V -l version -d 'Print version'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "status" -d 'Say how the daemon is, where it listens, and how many it serves'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "who" -d 'List the clients who are connected'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "top" -d 'Show them again and again, the fastest first; keys sort, and send away'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "kick" -d 'End the connections of a client, with everything that belongs to them'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "ban" -d 'Keep somebody from connecting, or from logging in; who is connected stays (see kick)'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "unban" -d 'End a ban'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "bans" -d 'List the bans that hold'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "quotas" -d 'List what is limited by quotas, as far as somebody has been there: how much there is, and how much may be'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "throttle" -d 'Set how fast data may go in place of what the configuration says; running transfers follow at once'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "trace" -d 'Log every command of these clients, and whatever else there is, while they are served and when they come again'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "log-level" -d 'Say how much is logged, or log this much from now on, until the configuration is loaded again'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "metrics" -d 'Print what was counted since the daemon was started, for Prometheus and its like'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "reload" -d 'Load the configuration again, and wait; if it is of no use, say why: then the old one stays'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "drain" -d 'Refuse new clients, and serve those who are there until they leave'
complete -c ftpctl -n "__fish_ftpctl_needs_command" -f -a "stop" -d 'Stop the daemon: no new clients, transfers that are running may finish; wait until it has ended'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand status" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand status" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand status" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand who" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand who" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand who" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand who" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand top" -s d -l delay -d 'Look again after so many seconds' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand top" -s n -l count -d 'End after so many tables' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand top" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand top" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand top" -s b -l batch -d 'Print one table after the other, for a file or another program'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand top" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand top" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s u -l user -d 'It is the name of a user, whatever it looks like'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand kick" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand ban" -s t -l for -d 'For how long, such as 90s, 30m, 12h or 7d; if not given, ban-time' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand ban" -s w -l why -d 'Why, for the log and for the list' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand ban" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand ban" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand ban" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand ban" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand unban" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand unban" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand unban" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand unban" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand bans" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand bans" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand bans" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand bans" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand quotas" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand quotas" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand quotas" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand quotas" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -l down -d 'Downloads: bytes a second, such as 500K or 2M; 0 is without limit, "configured" what the configuration says' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -l up -d 'Uploads, likewise' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -s g -l group -d 'It is the name of a group of users'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -s n -l network -d 'It is the name of a [network.NAME]'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -s u -l user -d 'It is the name of a user, whatever it looks like'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand throttle" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand trace" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand trace" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand trace" -s u -l user -d 'It is the name of a user, whatever it looks like'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand trace" -l off -d 'Not any more; without a name, nobody is'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand trace" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand trace" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand log-level" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand log-level" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand log-level" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand log-level" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s t -l textfile -d 'Write them to this file, in the older format, for the textfile collector of node_exporter; who reads it meanwhile finds what was there before' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s f -l format -d 'In which format' -r -f -a "openmetrics\t'OpenMetrics 1.0'
prometheus\t'The older format of Prometheus'"
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand reload" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand reload" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand reload" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand reload" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -l wait -d 'Wait until the last client has left; at most so many seconds, if a number follows' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -l off -d 'Serve new clients again'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand drain" -s h -l help -d 'Print help'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s g -l grace -d 'How long transfers may go on, in place of shutdown-grace' -r
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s c -l config -d 'The configuration file of the daemon, which says where its control socket is' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s s -l socket -d 'The control socket of the daemon, in place of the one that the configuration names' -r -F
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -l now -d 'End transfers, too; the same as --grace 0'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -l no-wait -d 'Do not wait until the daemon has ended'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s j -l json -d 'Print JSON, for programs'
complete -c ftpctl -n "__fish_ftpctl_using_subcommand stop" -s h -l help -d 'Print help'
