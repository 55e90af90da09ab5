# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ftpd_global_optspecs
    string join \n c/config= l/listen= log= pam-directory= daemon pid-file= h/help V/version
end

function __fish_ftpd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ftpd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ftpd_using_subcommand
    set -l cmd (__fish_ftpd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ftpd -n "__fish_ftpd_needs_command" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_needs_command" -s l -l listen -d 'Listen here, in place of the configured addresses; may be given several times' -r
complete -c ftpd -n "__fish_ftpd_needs_command" -l log -d 'Log there, in place of the configured target: syslog, stderr, or a file' -r
complete -c ftpd -n "__fish_ftpd_needs_command" -l pam-directory -d 'Look for PAM services there, in place of /etc/pam.d' -r -F
complete -c ftpd -n "__fish_ftpd_needs_command" -l pid-file -d 'Write the process number of the daemon there, for as long as it runs' -r -F
complete -c ftpd -n "__fish_ftpd_needs_command" -l daemon -d 'Go on in the background as soon as clients can connect; the command ends then'
complete -c ftpd -n "__fish_ftpd_needs_command" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_needs_command" -s V -l version -d 'Print version'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "serve" -d 'Serve clients (also without a command)'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "check" -d 'Check a configuration, and say what is wrong with it'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "doctor" -d 'Hold a configuration against the machine, and say what to do'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "show-config" -d 'Print the configuration in force, with all defaults, as TOML'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "share" -d 'Hand a directory to somebody: no root, no configuration'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "cert" -d 'Make a certificate for TLS'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "hash-password" -d 'Read a password from standard input and print its hash for the users file'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "generate" -d 'Print what is committed under man/ and etc/'
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -s l -l listen -d 'Listen here, in place of the configured addresses; may be given several times' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l log -d 'Log there, in place of the configured target: syslog, stderr, or a file' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l pam-directory -d 'Look for PAM services there, in place of /etc/pam.d' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l pid-file -d 'Write the process number of the daemon there, for as long as it runs' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l daemon -d 'Go on in the background as soon as clients can connect; the command ends then'
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand check" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand check" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand doctor" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand show-config" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand show-config" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s d -l directory -d 'The same as DIR' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s i -l interface -d 'The address to listen on; all addresses of the machine, if not given' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s p -l port -d 'The port to listen on' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s n -l nat-address -d 'The address to tell clients for passive mode, where a router translates addresses' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s r -l range -d 'The ports for passive mode' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s u -l user -l username -d 'Let in this user only, not everybody; without a password, one is made and printed' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s P -l password -d 'The user\'s password; other users of this machine may see it in ps(1) for a moment' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s w -l write -d 'Let clients write, too'
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -l password-stdin -d 'Read the user\'s password from standard input'
complete -c ftpd -n "__fish_ftpd_using_subcommand share" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand cert; and not __fish_seen_subcommand_from self-signed" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand cert; and not __fish_seen_subcommand_from self-signed" -f -a "self-signed" -d 'Make a certificate that nobody has signed but itself, with a new key, in one file'
complete -c ftpd -n "__fish_ftpd_using_subcommand cert; and __fish_seen_subcommand_from self-signed" -s n -l name -d 'A name or address by which clients know this server, in place of the name of the machine; may be given several times' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand cert; and __fish_seen_subcommand_from self-signed" -l days -d 'How long it is valid' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand cert; and __fish_seen_subcommand_from self-signed" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand hash-password" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand generate" -s h -l help -d 'Print help (see more with \'--help\')'
