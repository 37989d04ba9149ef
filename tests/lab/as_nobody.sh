#!/bin/sh
# Run a command as a user without rights: as_nobody.sh PATH... -- COMMAND...
# For root, in a mount namespace of its own (unshare --mount). The interpreter or the checkout (PATH...) may lie in root's home,
# which others may not enter: there the command sees an enterable home with nothing else in it.
set -e
home=~root
mount -t tmpfs -o mode=755 tmpfs /mnt
kept=""
count=0
while [ "$1" != -- ]; do
    case "$1" in
    "$home"/*)
        count=$((count + 1))
        mkdir "/mnt/$count"
        mount --bind "$1" "/mnt/$count"
        kept="$kept $1"
        ;;
    esac
    shift
done
shift
if [ "$count" -gt 0 ]; then
    mount -t tmpfs -o mode=755 tmpfs "$home"
    count=0
    for path in $kept; do
        count=$((count + 1))
        mkdir -p "$path"
        mount --bind "/mnt/$count" "$path"
    done
fi
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
