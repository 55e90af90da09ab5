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
complete -c ftpd -n "__fish_ftpd_needs_command" -l log -d 'Log there, in place of the configured target: syslog, journal, stderr, or a file' -r
complete -c ftpd -n "__fish_ftpd_needs_command" -l pam-directory -d 'Look for PAM services there, in place of /etc/pam.d' -r -F
complete -c ftpd -n "__fish_ftpd_needs_command" -l pid-file -d 'Write the process number of the daemon there, for as long as it runs' -r -F
complete -c ftpd -n "__fish_ftpd_needs_command" -l daemon -d 'Go on in the background as soon as clients can connect; the command ends then'
complete -c ftpd -n "__fish_ftpd_needs_command" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_needs_command" -s V -l version -d 'Print version'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "serve" -d 'Serve clients (also without a command)'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "check" -d 'Check a configuration, and say what is wrong with it'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "doctor" -d 'Hold a configuration against the machine, and say what to do'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "import" -d 'Make a configuration of that of vsftpd, ProFTPD or Pure-FTPd'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "show-config" -d 'Print the configuration in force, with all defaults, as TOML'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "explain" -d 'Say what the configuration lets somebody do, and what in it decides that'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "share" -d 'Hand a directory to somebody: no root, no configuration'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "cert" -d 'Make a certificate for TLS'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "user" -d 'Change the file of users who have no account on the machine'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "hash-password" -d 'Read a password from standard input and print its hash for the users file'
complete -c ftpd -n "__fish_ftpd_needs_command" -f -a "generate" -d 'Print what is committed under man/ and etc/'
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -s l -l listen -d 'Listen here, in place of the configured addresses; may be given several times' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l log -d 'Log there, in place of the configured target: syslog, journal, stderr, or a file' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l pam-directory -d 'Look for PAM services there, in place of /etc/pam.d' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l pid-file -d 'Write the process number of the daemon there, for as long as it runs' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -l daemon -d 'Go on in the background as soon as clients can connect; the command ends then'
complete -c ftpd -n "__fish_ftpd_using_subcommand serve" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand check" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand check" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand doctor" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand import" -l from -d 'The server it is from, where its name does not say so' -r -f -a "vsftpd\t'vsftpd.conf'
proftpd\t'proftpd.conf'
pure-ftpd\t'pure-ftpd.conf'"
complete -c ftpd -n "__fish_ftpd_using_subcommand import" -s o -l output -d 'Write the configuration there, in place of standard output; nothing is overwritten' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftpd -n "__fish_ftpd_using_subcommand show-config" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand show-config" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand explain" -s c -l config -d 'The configuration file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand explain" -s u -l user -d 'The user; anonymous for clients without a password' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand explain" -s g -l group -d 'A group, beside those that the user is in; may be given several times' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand explain" -s f -l from -d 'The address that the client comes from' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand explain" -l host -d 'The virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand explain" -l tls -d 'The control connection is protected by TLS'
complete -c ftpd -n "__fish_ftpd_using_subcommand explain" -s h -l help -d 'Print help'
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
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "add" -d 'Add a user'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "passwd" -d 'Give a user a new password'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "set" -d 'Change options of a user'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "del" -d 'Remove a user; what belongs to him stays'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "list" -d 'List the users'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "show" -d 'Print what the file says of a user, without the hash of his password'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "check" -d 'Say what is wrong with the file; exit status 1 if anything is'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and not __fish_seen_subcommand_from add passwd set del list show check import" -f -a "import" -d 'Add the users of another server'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -s a -l account -d 'Have him run as this system account' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l uid -d 'Have him run as this number' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l home -d 'His home directory' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l permissions -d 'The letters of what he may do' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l expires -d 'The first day on which he cannot log in any more, such as 2027-12-31' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -s s -l set -d 'Any other option of an entry, as KEY=VALUE; may be given several times' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l password-stdin -d 'Read the password from standard input, not from the terminal'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l hash-stdin -d 'Read a hash from standard input that was made elsewhere, in the form of crypt(5)'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l own-uid -d 'Have him run as a number of his own, which is free'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l shared -d 'Have him run as the account that `users-account` names'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -l system -d 'He is the account of the machine that has this name, with another password'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from passwd" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from passwd" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l password-stdin -d 'Read the password from standard input, not from the terminal'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l hash-stdin -d 'Read a hash from standard input that was made elsewhere, in the form of crypt(5)'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from set" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from set" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from set" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from del" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from del" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from del" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from del" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from list" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from list" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from show" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from show" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from check" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from check" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from check" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -l from -d 'What kind of file it is: htpasswd, proftpd, pure-ftpd (pureftpd.passwd) or ftp-py (account_info as JSON)' -r -f -a "htpasswd\t'Apache\'s htpasswd: names and hashes'
proftpd\t'ProFTPD\'s AuthUserFile, which has the form of passwd(5)'
pure-ftpd\t'Pure-FTPd\'s pureftpd.passwd, the text that pure-pw makes its database of'
ftp-py\t'The account_info of ftp.py, as JSON'"
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -s c -l config -d 'The configuration that names the users file' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -l host -d 'The users file of this virtual host' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -s f -l file -d 'This users file, whatever the configuration names' -r -F
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -s a -l account -d 'Have all of them run as this system account, whatever the file says' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -l own-uids -d 'Have each of them run as a free number of his own, whatever the file says'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -l replace -d 'Replace users of the same name'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -s n -l dry-run -d 'Say what would be done, and change nothing'
complete -c ftpd -n "__fish_ftpd_using_subcommand user; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand hash-password" -l kind -d 'What to make the hash with: argon2id, yescrypt, scrypt, bcrypt, sha512-crypt or sha256-crypt' -r
complete -c ftpd -n "__fish_ftpd_using_subcommand hash-password" -s h -l help -d 'Print help'
complete -c ftpd -n "__fish_ftpd_using_subcommand generate" -s h -l help -d 'Print help (see more with \'--help\')'
