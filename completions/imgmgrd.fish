# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_imgmgrd_global_optspecs
    string join \n config= database-config= database-global= engine-host= state-dir= image-names= remote-ctr-config= packages= h/help V/version
end

function __fish_imgmgrd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_imgmgrd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_imgmgrd_using_subcommand
    set -l cmd (__fish_imgmgrd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l config -d 'Settings file [default: /etc/sonic/imgmgrd.toml, which may be missing]' -r -F
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l database-config -d 'Where SONiC says where its databases are [env: IMGMGRD__REDIS__DATABASE_CONFIG]' -r -F
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l database-global -d 'The same for the ASICs of a multi-ASIC switch [env: IMGMGRD__REDIS__DATABASE_GLOBAL]' -r -F
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l engine-host -d 'Docker engine, as unix://PATH or tcp://HOST:PORT; DOCKER_HOST where that is set [env: IMGMGRD__ENGINE__HOST]' -r -f
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l state-dir -d 'Where the agent keeps what it remembers [env: IMGMGRD__PATHS__STATE_DIR]' -r -f -a "(__fish_complete_directories)"
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l image-names -d 'Which image a feature is made of [env: IMGMGRD__PATHS__IMAGE_NAMES]' -r -F
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l remote-ctr-config -d 'Defaults for the policy [env: IMGMGRD__PATHS__REMOTE_CTR_CONFIG]' -r -F
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -l packages -d 'What sonic-package-manager installed [env: IMGMGRD__PATHS__PACKAGES]' -r -F
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -s V -l version -d 'Print version'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "run" -d 'Run the agent'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "status" -d 'Show how each feature stands: stability, versions, and why'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "images" -d 'Show each image on the disk, and why it stays or goes'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "plan" -d 'Show what would be done now and why, changing nothing'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "history" -d 'Show what happened to each feature\'s images, newest first'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "promote" -d 'Make the version that runs the local latest without waiting any longer'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "rollback" -d 'Make the last version the local latest again'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "doctor" -d 'Say whether this switch is fit to run the agent'
complete -c imgmgrd -n "__fish_imgmgrd_needs_command" -f -a "completion" -d 'Print the completions of a shell'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand run" -l once -d 'Reconcile once, then exit: 0 if nothing is left to do'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand status" -l json -d 'Print JSON'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand images" -l json -d 'Print JSON'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand images" -s h -l help -d 'Print help'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand plan" -l json -d 'Print JSON'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand plan" -s h -l help -d 'Print help'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand history" -l json -d 'Print JSON'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand promote" -l all -d 'Every feature that is to be owned by Kubernetes'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand promote" -l json -d 'Print JSON'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand rollback" -l from -d 'Go further: from this version, which latest is by a rollback, to the one before it' -r
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand rollback" -l json -d 'Print JSON'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand doctor" -l root -d 'Where the root of the switch\'s file system is' -r -F
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand doctor" -l json -d 'Print JSON'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgrd -n "__fish_imgmgrd_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
