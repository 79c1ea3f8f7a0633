# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_preflight_global_optspecs
    string join \n color= provoke-panic h/help V/version
end

function __fish_preflight_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_preflight_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_preflight_using_subcommand
    set -l cmd (__fish_preflight_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c preflight -n "__fish_preflight_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_needs_command" -l provoke-panic -d 'Panic after the first frame, to see that the terminal is given back'
complete -c preflight -n "__fish_preflight_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_needs_command" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "check" -d 'Check source packages: submit, follow, and exit with autopkgtest\'s code'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "ticket" -d 'Make, list, show, change and cancel tickets'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "status" -d 'Show the daemon and the open tickets, or one ticket'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "logs" -d 'Print a ticket\'s logs'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "results" -d 'Print a ticket\'s test results, or write them as other programs have them'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "findings" -d 'Print what a ticket\'s logs say that matters: errors and warnings, with file and line'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "rerun" -d 'Run one test of a ticket once more, with what you have edited'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "baseline" -d 'Run a ticket\'s tests without the change, and say what their results mean'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "shell" -d 'Open a shell in a testbed, or run a command there'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "image" -d 'List, build, fetch and remove images'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "archive" -d 'Take, list, compare and forget snapshots of series\' archives'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "du" -d 'Show what takes the disk, and why something stays'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "gc" -d 'Free disk: what can be made again first, what is in use never'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "replay" -d 'Run a ticket again from its locks alone, and say whether the results agree'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "lock" -d 'List what a ticket\'s jobs have started from, and what they have fetched, by digest'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "repo" -d 'List, show, compare, export and serve what tickets have built'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "promote" -d 'Move a link to a ticket\'s repository, where the link\'s criteria are met'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "promotions" -d 'List links, where they have been, and what a ticket lacks for them'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "ppa" -d 'Repositories beside the archive'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "export" -d 'Write a ticket with all its evidence to one file, for another machine'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "import" -d 'Take over a ticket from another machine'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "import-results" -d 'Make a ticket of results of tests that others have run'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "daemon" -d 'Start, stop and look at the daemon'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "doctor" -d 'Tell what this host has and lacks'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "generate" -d 'Write man pages or completions'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "create_ticket" -d 'The Ubuntu CI Engine\'s word for `ticket create`'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "update_ticket" -d 'The Ubuntu CI Engine\'s word for `ticket update`'
complete -c preflight -n "__fish_preflight_needs_command" -f -a "get_image" -d 'The Ubuntu CI Engine\'s word for `image get`'
complete -c preflight -n "__fish_preflight_using_subcommand check" -s t -l title -d 'The ticket\'s title; the sources\' names and versions where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -s d -l description -d 'What the change is about' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -s b -l bug -d 'The bug that it fixes' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -s o -l owner -d 'Who makes it; your user name where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l series -d 'The series to check on, such as debian-bookworm; from the changelog where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -s a -l add-package -d 'A package that the image gets besides the ticket\'s own; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -s r -l remove-package -d 'A package that is removed from the image; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l snapshot -d 'The snapshot of the series\' archive that packages come from; without one, the archive as the base image has it, or with --pocket the newest snapshot' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l pocket -l apt-pocket -d 'A pocket of the series (updates, security, proposed, backports, experimental), or only the packages of it that are named, src:NAME for all of a source; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l ppa -d 'A PPA that `preflight ppa add` has made known, and packages that come from it whatever their version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l repository -d 'What another ticket of the series has built, in its current state or an earlier one, or what a promotion link points at; before what PPAs and the archive have, whatever the version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l signatures -d 'How signatures of the sources are treated; the configuration says where it is missing' -r -f -a "ignore\t'They are not looked at'
warn\t'A missing, unknown or broken one is a warning'
require\t'Only what a known key has signed is taken'"
complete -c preflight -n "__fish_preflight_using_subcommand check" -l test-timeout -d 'Seconds after which a test is ended, of all tests, of a source\'s (SOURCE=SECONDS) or of one (SOURCE/TEST=SECONDS); may be repeated [default: 10000]' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l needs-internet -d 'What becomes of tests that want the internet, which no testbed has' -r -f -a "run\t'They are run, and fail like any other'
try\t'They are run; one that ends with another status than 0 counts as skipped'
skip\t'They are skipped'"
complete -c preflight -n "__fish_preflight_using_subcommand check" -l trigger -d 'What the run is about, told to tests as ADT_TEST_TRIGGERS; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l env -d 'A variable for the tests\' environment; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l rerun-failed -d 'How often each test that has failed is run again by itself, to tell a flaky one; the exit code stays' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l baseline -d 'Run tests without the ticket\'s packages, too, to tell a regression; the exit code stays (see `preflight baseline`)' -r -f -a "never\t'None'
failed\t'Those that fail'
all\t'All'"
complete -c preflight -n "__fish_preflight_using_subcommand check" -l build-timeout -d 'Seconds after which a build is ended [default: 100000]' -r
complete -c preflight -n "__fish_preflight_using_subcommand check" -l keep-failed -d 'Which testbeds of failed jobs are kept for `preflight shell`, within the disk budget' -r -f -a "never\t'None'
newest\t'That of the ticket\'s newest failure'
always\t'All'"
complete -c preflight -n "__fish_preflight_using_subcommand check" -l priority -d 'Whose jobs go first' -r -f -a "interactive\t'Before all others: you wait for it'
normal\t'In turn with others'
background\t'When nothing else is to be done'"
complete -c preflight -n "__fish_preflight_using_subcommand check" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand check" -l offline -d 'Fetch nothing from the network: what is not in the store is missing'
complete -c preflight -n "__fish_preflight_using_subcommand check" -s B -l no-build -d 'Build nothing: run the tests against the packages that the archive has, as autopkgtest\'s -B does'
complete -c preflight -n "__fish_preflight_using_subcommand check" -l keep-going -d 'Run the other tests to their end though a source\'s health test has failed'
complete -c preflight -n "__fish_preflight_using_subcommand check" -l pool -d 'Publish what is built in a repository of the PPA pool, too; where none is free, wait for one'
complete -c preflight -n "__fish_preflight_using_subcommand check" -l detach -l no-follow -d 'Submit the ticket and leave it alone'
complete -c preflight -n "__fish_preflight_using_subcommand check" -l json -d 'Print one JSON object at the end (schema cli-check.json); progress goes to standard error'
complete -c preflight -n "__fish_preflight_using_subcommand check" -l subunit -d 'Print the tests as a subunit v2 stream while they run; progress and report go to standard error'
complete -c preflight -n "__fish_preflight_using_subcommand check" -s q -l quiet -d 'Show no progress'
complete -c preflight -n "__fish_preflight_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand check" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "create" -d 'Make a ticket and leave it to the daemon'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "list" -d 'List tickets, newest first'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "show" -d 'Show a ticket with its jobs and tests'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "update" -d 'Change a ticket, or queue one that was made with --wait'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "cancel" -d 'Cancel a ticket: its running job is ended'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "remove" -d 'Remove ended tickets with their logs, artifacts, results, images and kept testbeds'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "keep" -d 'Keep tickets: they cannot be removed, and their evidence is the last that goes when the disk is full'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and not __fish_seen_subcommand_from create list show update cancel remove keep unkeep" -f -a "unkeep" -d 'Keep tickets no longer'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s s -l source -d 'A folder, .dsc or _source.changes; may be repeated' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s t -l title -d 'The ticket\'s title; the sources\' names and versions where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s d -l description -d 'What the change is about' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s b -l bug -d 'The bug that it fixes' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s o -l owner -d 'Who makes it; your user name where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l series -d 'The series to check on, such as debian-bookworm; from the changelog where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s a -l add-package -d 'A package that the image gets besides the ticket\'s own; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s r -l remove-package -d 'A package that is removed from the image; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l snapshot -d 'The snapshot of the series\' archive that packages come from; without one, the archive as the base image has it, or with --pocket the newest snapshot' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l pocket -l apt-pocket -d 'A pocket of the series (updates, security, proposed, backports, experimental), or only the packages of it that are named, src:NAME for all of a source; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l ppa -d 'A PPA that `preflight ppa add` has made known, and packages that come from it whatever their version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l repository -d 'What another ticket of the series has built, in its current state or an earlier one, or what a promotion link points at; before what PPAs and the archive have, whatever the version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l signatures -d 'How signatures of the sources are treated; the configuration says where it is missing' -r -f -a "ignore\t'They are not looked at'
warn\t'A missing, unknown or broken one is a warning'
require\t'Only what a known key has signed is taken'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l test-timeout -d 'Seconds after which a test is ended, of all tests, of a source\'s (SOURCE=SECONDS) or of one (SOURCE/TEST=SECONDS); may be repeated [default: 10000]' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l needs-internet -d 'What becomes of tests that want the internet, which no testbed has' -r -f -a "run\t'They are run, and fail like any other'
try\t'They are run; one that ends with another status than 0 counts as skipped'
skip\t'They are skipped'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l trigger -d 'What the run is about, told to tests as ADT_TEST_TRIGGERS; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l env -d 'A variable for the tests\' environment; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l rerun-failed -d 'How often each test that has failed is run again by itself, to tell a flaky one; the exit code stays' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l baseline -d 'Run tests without the ticket\'s packages, too, to tell a regression; the exit code stays (see `preflight baseline`)' -r -f -a "never\t'None'
failed\t'Those that fail'
all\t'All'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l build-timeout -d 'Seconds after which a build is ended [default: 100000]' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l keep-failed -d 'Which testbeds of failed jobs are kept for `preflight shell`, within the disk budget' -r -f -a "never\t'None'
newest\t'That of the ticket\'s newest failure'
always\t'All'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l priority -d 'Whose jobs go first' -r -f -a "interactive\t'Before all others: you wait for it'
normal\t'In turn with others'
background\t'When nothing else is to be done'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s w -l wait -d 'Make the ticket, but do not queue it until `ticket update N --queue`'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l offline -d 'Fetch nothing from the network: what is not in the store is missing'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s B -l no-build -d 'Build nothing: run the tests against the packages that the archive has, as autopkgtest\'s -B does'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l keep-going -d 'Run the other tests to their end though a source\'s health test has failed'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l pool -d 'Publish what is built in a repository of the PPA pool, too; where none is free, wait for one'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -l json -d 'Print the new ticket\'s number and warnings as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from create" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from list" -l open -d 'Only tickets that have not ended'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -s t -l title -d 'The new title' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -s d -l description -d 'The new description' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -s b -l bug -d 'The new bug' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -s o -l owner -d 'The new owner' -r
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -l queue -d 'Queue it'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -l json -d 'Print the ticket\'s summary as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from update" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from cancel" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from cancel" -l json -d 'Print the ticket\'s summary as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from cancel" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from remove" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from remove" -l json -d 'Print the numbers of what was removed as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from keep" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from keep" -l json -d 'Print the tickets\' summaries as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from keep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from keep" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from unkeep" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from unkeep" -l json -d 'Print the tickets\' summaries as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from unkeep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ticket; and __fish_seen_subcommand_from unkeep" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand status" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand status" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand logs" -l job -d 'Only this job\'s' -r
complete -c preflight -n "__fish_preflight_using_subcommand logs" -s C -l context -d 'Lines around the first failing line' -r
complete -c preflight -n "__fish_preflight_using_subcommand logs" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand logs" -s f -l follow -d 'Go on printing until the ticket, or the job, has ended'
complete -c preflight -n "__fish_preflight_using_subcommand logs" -s e -l first-error -d 'Show the first failing line and what stands around it'
complete -c preflight -n "__fish_preflight_using_subcommand logs" -l all -d 'Logs of every attempt, not of each job\'s newest alone'
complete -c preflight -n "__fish_preflight_using_subcommand logs" -l list -d 'List the logs with their files'
complete -c preflight -n "__fish_preflight_using_subcommand logs" -l json -d 'Print the list, or the first error, as JSON (schema cli-first-error.json)'
complete -c preflight -n "__fish_preflight_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand logs" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand results" -l format -d 'How to print or write them' -r -f -a "summary\t'The lines of autopkgtest\'s summary file'
autopkgtest\t'autopkgtest\'s output directory'
debci\t'debci\'s layout'
result-tar\t'Ubuntu\'s layout'
subunit\t'The subunit v2 stream, as it was recorded'
subunit-v1\t'A subunit v1 stream'
junit\t'JUnit XML'
pyunit\t'The text of Python\'s unittest'
json\t'One JSON object (schema cli-results.json)'"
complete -c preflight -n "__fish_preflight_using_subcommand results" -s o -l output -d 'Write them here and not to standard output' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand results" -l source -d 'Only those of this source' -r
complete -c preflight -n "__fish_preflight_using_subcommand results" -l job -d 'Those of this job, a rerun, say, and not the ticket\'s own' -r
complete -c preflight -n "__fish_preflight_using_subcommand results" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand results" -s f -l follow -d 'Go on printing until the ticket has ended, and exit with its code; of the format subunit'
complete -c preflight -n "__fish_preflight_using_subcommand results" -l json -d 'The same as --format json; with a format that goes to -o, say as JSON what was written'
complete -c preflight -n "__fish_preflight_using_subcommand results" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand results" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand findings" -l source -d 'Of this source\'s jobs only' -r
complete -c preflight -n "__fish_preflight_using_subcommand findings" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand findings" -s a -l all -d 'Warnings and notes, too'
complete -c preflight -n "__fish_preflight_using_subcommand findings" -l json -d 'Print one JSON object (schema cli-findings.json)'
complete -c preflight -n "__fish_preflight_using_subcommand findings" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand findings" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand rerun" -s w -l with -d 'Take debian/tests and debian/control from this source tree, or this one file of debian/tests' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand rerun" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand rerun" -l json -d 'Print one JSON object at the end (schema cli-rerun.json); the log goes to standard error'
complete -c preflight -n "__fish_preflight_using_subcommand rerun" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand rerun" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand baseline" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand baseline" -l all -d 'All tests that were run'
complete -c preflight -n "__fish_preflight_using_subcommand baseline" -l no-run -d 'Run nothing: show what is known'
complete -c preflight -n "__fish_preflight_using_subcommand baseline" -l json -d 'Print one JSON object at the end (schema cli-baseline.json); progress goes to standard error'
complete -c preflight -n "__fish_preflight_using_subcommand baseline" -s q -l quiet -d 'Show no progress'
complete -c preflight -n "__fish_preflight_using_subcommand baseline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand baseline" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s j -l job -d 'Which job of the ticket: its number, or what it does (`build`, `test`), or that of a source (`test/hello`)' -r
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s u -l user -d 'The user in the testbed; whose command failed, or root' -r
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s C -l chdir -d 'The folder in the testbed; where the job failed, or the user\'s home' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s e -l env -d 'Set a variable of the shell\'s environment, or hand this one\'s on' -r
complete -c preflight -n "__fish_preflight_using_subcommand shell" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s t -l terminal -d 'Give the command a terminal'
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s q -l quiet -d 'Do not say what is waited for and where the shell is'
complete -c preflight -n "__fish_preflight_using_subcommand shell" -l provoke-panic -d 'Panic once the terminal is raw, to see that it is given back'
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand shell" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -f -a "list" -d 'List base images, tickets\' images, and those that you have named'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -f -a "show" -d 'Show one image, and what makes it more than its base image'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -f -a "rebuild" -d 'Make an image of another one, with packages and PPAs that it has not'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -f -a "build" -d 'Build a series\' base images from the archive as it is now'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -f -a "get" -d 'Write a ticket\'s image as a file, kernel and initrd beside it, or as a disk that boots by itself'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -f -a "diff" -d 'Tell what differs between two images: packages, then files'
complete -c preflight -n "__fish_preflight_using_subcommand image; and not __fish_seen_subcommand_from list show rebuild build get diff remove" -f -a "remove" -d 'Remove an image that no ticket uses'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l base -d 'A series, for its newest base image, or the name of an image that was rebuilt' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -s n -l name -d 'What the image is called; the one that was called so is not any more' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -s p -l package -l add-package -d 'A package that the image gains, NAME or NAME=VERSION; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -s r -l remove -l remove-package -d 'A package that the image loses; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l snapshot -d 'The snapshot of the series\' archive that packages come from; without one, the archive as the base image has it, or with --pocket the newest snapshot' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l pocket -l apt-pocket -d 'A pocket of the series (updates, security, proposed, backports, experimental), or only the packages of it that are named, src:NAME for all of a source; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l ppa -d 'A PPA that `preflight ppa add` has made known, and packages that come from it whatever their version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l repository -d 'What another ticket of the series has built, in its current state or an earlier one, or what a promotion link points at; before what PPAs and the archive have, whatever the version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l offline -d 'Fetch nothing from the network: what is not in the store is missing'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l detach -l no-follow -d 'Leave it to the daemon'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -l json -d 'Print the image as JSON, as `image show` does; where it is not made, the ticket, as `check` does'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -s q -l quiet -d 'Show no progress'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from rebuild" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from build" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from build" -l detach -l no-follow -d 'Leave the build to the daemon'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from build" -l json -d 'Print one JSON object at the end, as `check` does'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Show no progress'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from build" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from get" -s o -l output -d 'The disk\'s file: a raw image where it ends in .raw or .img, otherwise qcow2' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from get" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from get" -l uefi -d 'Write a whole disk that boots by itself under any UEFI firmware'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from get" -l json -d 'Print the files and the kernel command line as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from get" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from diff" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from diff" -l files -d 'List the files of packages one by one'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from diff" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from remove" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand image; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -f -a "update" -d 'Take a snapshot of a series\' archive as it is now'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -f -a "list" -d 'List snapshots, newest first'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -f -a "show" -d 'Show one snapshot: its suites, and who uses it'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -f -a "diff" -d 'List packages that differ between two snapshots'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -f -a "prefetch" -d 'Fetch what checks will need without a network, and say what is still missing'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and not __fish_seen_subcommand_from update list show diff prefetch prune" -f -a "prune" -d 'Forget snapshots that nobody needs; their files go when the disk\'s budget wants their room'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from update" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from update" -l detach -l no-follow -d 'Leave it to the daemon'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from update" -l json -d 'Print one JSON object at the end, as `check` does'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from update" -s q -l quiet -d 'Show no progress'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from update" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from diff" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from diff" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l source -d 'A folder with debian/, a .dsc or a _source.changes file: what building and testing it needs; may be repeated' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l ticket -d 'What this ticket has fetched; packages, sources and where they come from are the ticket\'s own then' -r
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l series -d 'The series, such as debian-bookworm; what the sources say, the configured one, or this host\'s own, where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l snapshot -d 'The snapshot of the series\' archive that packages come from; without one, the archive as the base image has it, or with --pocket the newest snapshot' -r
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l pocket -l apt-pocket -d 'A pocket of the series (updates, security, proposed, backports, experimental), or only the packages of it that are named, src:NAME for all of a source; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l ppa -d 'A PPA that `preflight ppa add` has made known, and packages that come from it whatever their version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l repository -d 'What another ticket of the series has built, in its current state or an earlier one, or what a promotion link points at; before what PPAs and the archive have, whatever the version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l offline -d 'Fetch nothing: only say what is missing'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l detach -l no-follow -d 'Leave it to the daemon'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -l json -d 'Print one JSON object at the end (schema cli-prefetch.json); progress goes to standard error'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -s q -l quiet -d 'Show no progress'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prefetch" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prune" -l keep -d 'How many of each series stay at least' -r
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prune" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prune" -s n -l dry-run -d 'Only say what would go'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prune" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand archive; and __fish_seen_subcommand_from prune" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand du" -s n -l items -d 'How many of the largest items to list' -r
complete -c preflight -n "__fish_preflight_using_subcommand du" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand du" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand du" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand du" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand gc" -l to -d 'Free until no more than this is used, such as 5GB; the configured budget where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand gc" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand gc" -s n -l dry-run -d 'Only say what would go'
complete -c preflight -n "__fish_preflight_using_subcommand gc" -l all -d 'Free all that may go, except what belongs to kept tickets'
complete -c preflight -n "__fish_preflight_using_subcommand gc" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand gc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand gc" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand replay" -l job -d 'Run only this job again: a build, an image or a test' -r
complete -c preflight -n "__fish_preflight_using_subcommand replay" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand replay" -l detach -l no-follow -d 'Make the replay and leave it alone'
complete -c preflight -n "__fish_preflight_using_subcommand replay" -l agreement -d 'Run nothing: the ticket is a replay that has ended, and what came of it is said once more'
complete -c preflight -n "__fish_preflight_using_subcommand replay" -l json -d 'Print JSON (schema ticket-agreement.answer.json, with --detach ticket-replay.answer.json)'
complete -c preflight -n "__fish_preflight_using_subcommand replay" -s q -l quiet -d 'Show no progress'
complete -c preflight -n "__fish_preflight_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand replay" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand lock" -l job -d 'Only this job\'s' -r
complete -c preflight -n "__fish_preflight_using_subcommand lock" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand lock" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand lock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand lock" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -f -a "list" -d 'List the repositories of tickets, or the states of one'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -f -a "show" -d 'Show a state\'s packages: versions, sizes, digests'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -f -a "status" -d 'Show what was found out about a ticket\'s repository, and which links point at it or could'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -f -a "diff" -d 'Show how the packages of two states differ'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -f -a "export" -d 'Write a state as a tree that apt on any host accepts'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and not __fish_seen_subcommand_from list show status diff export serve" -f -a "serve" -d 'Serve a state over http for colleagues, until Ctrl-C'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from status" -l json -d 'Print JSON (schema cli-repo-status.json)'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from diff" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from diff" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from export" -l uri -d 'Where the tree will be served, for `preflight.sources`; the folder itself where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from export" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from export" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from serve" -l listen -d 'Where to listen; port 0 is any that is free' -r
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from serve" -l json -d 'Print a JSON object a line: first where it is served, then each request'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand repo; and __fish_seen_subcommand_from serve" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand promote" -l why -d 'Why, for whoever reads the link\'s history' -r
complete -c preflight -n "__fish_preflight_using_subcommand promote" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand promote" -s n -l dry-run -d 'Only say what would happen'
complete -c preflight -n "__fish_preflight_using_subcommand promote" -l rollback -d 'Go back to what the link pointed at before'
complete -c preflight -n "__fish_preflight_using_subcommand promote" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand promote" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand promotions" -l ticket -d 'Show how a ticket stands to every link, and what is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand promotions" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand promotions" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand promotions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand promotions" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -f -a "add" -d 'Fetch and verify a repository, and add it under a name'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -f -a "list" -d 'List repositories, and what was last taken of each'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -f -a "show" -d 'Show one: where it is, who signs it, and its newest states'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -f -a "refresh" -d 'Take repositories as they are now; one that is refused keeps the state that it had'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -f -a "remove" -d 'Forget a repository and its token; tickets keep what they have of it'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and not __fish_seen_subcommand_from add list show refresh remove pool" -f -a "pool" -d 'Repositories that tickets get and give back'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l name -d 'What to call it; otherwise Launchpad\'s name, the file\'s or the URL\'s' -r
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l key -d 'The file with the OpenPGP keys that may sign it, in place of what the source itself says' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l series -d 'The series that it is verified for; the configured one, or this host\'s own, where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l priority -d 'apt\'s priority of all its packages (apt_preferences(5))' -r
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l package -d 'A package that comes from it whatever its version: NAME, or src:NAME for all packages of a source; repeatable' -r
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l token-file -d 'The file with the subscription of a private one; `-` is standard input' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from refresh" -l series -d 'Only for this series, be it the first time' -r
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from refresh" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from refresh" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from refresh" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from refresh" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from remove" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from pool" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from pool" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from pool" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from pool" -f -a "list" -d 'List the repositories, where each stands and who holds it'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from pool" -f -a "grow" -d 'Add repositories'
complete -c preflight -n "__fish_preflight_using_subcommand ppa; and __fish_seen_subcommand_from pool" -f -a "release" -d 'Take a repository from a ticket of which nothing runs, and have it cleaned; a ticket\'s end does so by itself'
complete -c preflight -n "__fish_preflight_using_subcommand export" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand export" -l with-packages -d 'Put in all that the ticket\'s jobs have fetched, for a machine without a network'
complete -c preflight -n "__fish_preflight_using_subcommand export" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand export" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand import" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand import" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand import" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -l format -d 'The format; without it what is there tells' -r -f -a "autopkgtest\t''
debci\t''
result-tar\t''
log\t''
subunit\t''
subunit-v1\t''
junit\t''"
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -l source -d 'The source package, where the results do not tell' -r
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -l version -d 'Its version, where the results do not tell' -r
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -l series -d 'The series, where the results do not tell' -r
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -l title -d 'The ticket\'s title' -r
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand import-results" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and not __fish_seen_subcommand_from start stop status detach-daemon" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and not __fish_seen_subcommand_from start stop status detach-daemon" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and not __fish_seen_subcommand_from start stop status detach-daemon" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and not __fish_seen_subcommand_from start stop status detach-daemon" -f -a "start" -d 'Start it, unless it runs'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and not __fish_seen_subcommand_from start stop status detach-daemon" -f -a "stop" -d 'Stop it; what it ran is run again at the next start'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and not __fish_seen_subcommand_from start stop status detach-daemon" -f -a "status" -d 'Tell whether it runs, without starting it; ends with 3 where it does not'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and not __fish_seen_subcommand_from start stop status detach-daemon" -f -a "detach-daemon" -d 'Leave the starter\'s session and become the daemon'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from start" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from start" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from stop" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from stop" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from status" -l json -d 'Print JSON (schema cli-daemon-status.json)'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from detach-daemon" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from detach-daemon" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand daemon; and __fish_seen_subcommand_from detach-daemon" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand doctor" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand doctor" -l fresh -d 'Probe again, whatever is remembered'
complete -c preflight -n "__fish_preflight_using_subcommand doctor" -l json -d 'Print JSON'
complete -c preflight -n "__fish_preflight_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand generate" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand generate" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s s -l source -d 'A folder, .dsc or _source.changes; may be repeated' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s t -l title -d 'The ticket\'s title; the sources\' names and versions where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s d -l description -d 'What the change is about' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s b -l bug -d 'The bug that it fixes' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s o -l owner -d 'Who makes it; your user name where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l series -d 'The series to check on, such as debian-bookworm; from the changelog where it is missing' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s a -l add-package -d 'A package that the image gets besides the ticket\'s own; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s r -l remove-package -d 'A package that is removed from the image; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l snapshot -d 'The snapshot of the series\' archive that packages come from; without one, the archive as the base image has it, or with --pocket the newest snapshot' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l pocket -l apt-pocket -d 'A pocket of the series (updates, security, proposed, backports, experimental), or only the packages of it that are named, src:NAME for all of a source; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l ppa -d 'A PPA that `preflight ppa add` has made known, and packages that come from it whatever their version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l repository -d 'What another ticket of the series has built, in its current state or an earlier one, or what a promotion link points at; before what PPAs and the archive have, whatever the version; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l signatures -d 'How signatures of the sources are treated; the configuration says where it is missing' -r -f -a "ignore\t'They are not looked at'
warn\t'A missing, unknown or broken one is a warning'
require\t'Only what a known key has signed is taken'"
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l test-timeout -d 'Seconds after which a test is ended, of all tests, of a source\'s (SOURCE=SECONDS) or of one (SOURCE/TEST=SECONDS); may be repeated [default: 10000]' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l needs-internet -d 'What becomes of tests that want the internet, which no testbed has' -r -f -a "run\t'They are run, and fail like any other'
try\t'They are run; one that ends with another status than 0 counts as skipped'
skip\t'They are skipped'"
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l trigger -d 'What the run is about, told to tests as ADT_TEST_TRIGGERS; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l env -d 'A variable for the tests\' environment; may be repeated' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l rerun-failed -d 'How often each test that has failed is run again by itself, to tell a flaky one; the exit code stays' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l baseline -d 'Run tests without the ticket\'s packages, too, to tell a regression; the exit code stays (see `preflight baseline`)' -r -f -a "never\t'None'
failed\t'Those that fail'
all\t'All'"
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l build-timeout -d 'Seconds after which a build is ended [default: 100000]' -r
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l keep-failed -d 'Which testbeds of failed jobs are kept for `preflight shell`, within the disk budget' -r -f -a "never\t'None'
newest\t'That of the ticket\'s newest failure'
always\t'All'"
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l priority -d 'Whose jobs go first' -r -f -a "interactive\t'Before all others: you wait for it'
normal\t'In turn with others'
background\t'When nothing else is to be done'"
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s w -l wait -d 'Make the ticket, but do not queue it until `ticket update N --queue`'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l offline -d 'Fetch nothing from the network: what is not in the store is missing'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s B -l no-build -d 'Build nothing: run the tests against the packages that the archive has, as autopkgtest\'s -B does'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l keep-going -d 'Run the other tests to their end though a source\'s health test has failed'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l pool -d 'Publish what is built in a repository of the PPA pool, too; where none is free, wait for one'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -l json -d 'Print the new ticket\'s number and warnings as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand create_ticket" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -s t -l title -d 'The new title' -r
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -s d -l description -d 'The new description' -r
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -s b -l bug -d 'The new bug' -r
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -s o -l owner -d 'The new owner' -r
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -l queue -d 'Queue it'
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -l json -d 'Print the ticket\'s summary as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand update_ticket" -s V -l version -d 'Print version'
complete -c preflight -n "__fish_preflight_using_subcommand get_image" -s o -l output -d 'The disk\'s file: a raw image where it ends in .raw or .img, otherwise qcow2' -r -F
complete -c preflight -n "__fish_preflight_using_subcommand get_image" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, where NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c preflight -n "__fish_preflight_using_subcommand get_image" -l uefi -d 'Write a whole disk that boots by itself under any UEFI firmware'
complete -c preflight -n "__fish_preflight_using_subcommand get_image" -l json -d 'Print the files and the kernel command line as JSON'
complete -c preflight -n "__fish_preflight_using_subcommand get_image" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c preflight -n "__fish_preflight_using_subcommand get_image" -s V -l version -d 'Print version'
