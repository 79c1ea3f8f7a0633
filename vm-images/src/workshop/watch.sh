# The first process of the workshop's namespaces: starts the work and ends with it.
#
# Standard input is the lifeline. When the daemon closes it, or dies, this shell ends, and with the first process of a
# process namespace ends all that runs in it.
exec 3<&0 </dev/null
trap 'exit 143' TERM
(cat <&3 >/dev/null; kill -TERM $$) &
exec 3<&-
sh -c "$PF_WORK" workshop &
wait $!
