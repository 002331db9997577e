#!/bin/sh
# What is not publicly known about package signatures on AIX, and ten minutes of an administrator would settle.
#
#   sh aix-check.sh [SIGNED_PACKAGE [UNSIGNED_PACKAGE]] > aix-check.txt 2>&1
#
# Run it as root on AIX 7.2 or 7.3, look through aix-check.txt, and send it back.
#
#   SIGNED_PACKAGE    a package that this server signed and `sign --attach` gave a Digital Signature Block; its public key must lie
#                     where the block says (`sign inspect` shows the path). Step 7 has AIX check it.
#   UNSIGNED_PACKAGE  the same package without its block. Step 8 has create_pkgsign sign it, when the environment variable PASSIN names
#                     its password file, for instance /etc/security/pkgverify/keystore/pswd.file.
#
# It changes nothing: no ODM class, no policy, no key, nothing installed. It writes into a folder of its own below ${TMPDIR:-/tmp},
# which it removes, and needs room there for both packages. It prints no private key and no password. What it prints of IBM's own
# files is a few lines and the type; leave them out where you may not pass them on.

PATH=/usr/bin:/usr/sbin:/sbin:/etc:$PATH
export PATH
ODMDIR=/usr/lib/objrepos
export ODMDIR
LC_ALL=C
export LC_ALL
umask 077

signed=${1:-}
unsigned=${2:-}
work=${TMPDIR:-/tmp}/aix-check.$$

step() {
  printf '\n=== %s\n' "$1"
  shift
  for line in "$@"; do printf '# %s\n' "$line"; done
}

# Runs a command, shows it, and never stops: what fails is a finding too.
run() {
  printf '$ %s\n' "$*"
  "$@" </dev/null
  printf '(exit status %s)\n' "$?"
}

have() {
  command -v "$1" >/dev/null 2>&1 && return 0
  printf '%s is not on this system\n' "$1"
  return 1
}

if [ "$(uname -s)" != AIX ]; then
  echo 'This is not AIX; there is nothing to find out here.' >&2
  exit 1
fi
for package in "$signed" "$unsigned"; do
  if [ -n "$package" ] && [ ! -r "$package" ]; then
    printf 'The package %s cannot be read.\n' "$package" >&2
    exit 2
  fi
done
mkdir "$work" || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

step '1 The system' 'Which AIX and which OpenSSL the findings are about, and the policy that is set now.'
run oslevel -s
have openssl && run openssl version
have lsattr && run lsattr -El sys0 -a signpolicy
[ "$(id -u)" = 0 ] || echo 'NOTE: not root; some of the following will fail.'

step '2 The classes of the catalogue' 'The columns of dsc_key and dsc_keystore are not public; those of dsc_inventory are, and are compared.'
for class in dsc_inventory dsc_key dsc_keystore; do have odmshow && run odmshow "$class"; done

step '3 Their rows' 'Which ids, types and paths the keys have. No secret stands here; look all the same.'
for class in dsc_key dsc_keystore; do
  printf '$ odmget %s | head -n 40\n' "$class"
  have odmget && odmget "$class" </dev/null | head -n 40
done

step '4 One whole row of dsc_inventory' 'The syntax of the timestamp, how the key is written, and the length of a signature.'
printf '$ odmget -q "lpp_name=bos.rte.libc" dsc_inventory | head -n 24\n'
have odmget && odmget -q 'lpp_name=bos.rte.libc' dsc_inventory </dev/null | head -n 24

step '5 The signing command' 'Its path and type, and what it says without arguments: only its name is known.'
for program in create_pkgsign dsblkgen dsblkchk dsblkdet pkgverify chsignpolicy; do
  if have "$program"; then
    path=$(command -v "$program")
    run ls -l "$path"
    run file "$path"
  fi
done
have create_pkgsign && run create_pkgsign

step '6 Which key a block may name' 'Whether dsblkchk enforces the directory of the keys, and how it calls openssl. A few lines of it, not the whole.'
script=$(command -v dsblkchk 2>/dev/null)
if [ -n "$script" ] && [ -r "$script" ]; then
  printf '$ grep -n -E "openssl|/etc/security|dsblkdet|exit" %s\n' "$script"
  grep -n -E 'openssl|/etc/security|dsblkdet|exit' "$script" | head -n 40
fi
run ls -l /etc/security/certificates

step '7 A block of ours, checked by AIX' 'Exit status 0: accepted. 1: malformed, or the signature is wrong. 2: no block was found.'
if [ -z "$signed" ]; then
  echo 'left out: no signed package was given'
else
  printf '$ tail -c 1280 %s | od -x | head -n 80\n' "$signed"
  tail -c 1280 "$signed" | od -x | head -n 80
  cp "$signed" "$work/signed.bff" && have dsblkchk && mkdir "$work/chk" && run dsblkchk -d "$work/chk" "$work/signed.bff"
fi

step '8 The signature of create_pkgsign' 'Compare its base64 with that of this server: the same key, the same file, the same signature?'
if [ -z "$unsigned" ] || [ -z "${PASSIN:-}" ]; then
  echo 'left out: no unsigned package was given, or PASSIN is not set'
elif have create_pkgsign; then
  cp "$unsigned" "$work/unsigned.bff"
  run create_pkgsign -a "infile=$work/unsigned.bff" -a "passin=$PASSIN" "$work/records"
  if [ -f "$work/records" ]; then run cat "$work/records"; fi
  have openssl && run openssl dgst -sha256 "$work/unsigned.bff"
fi

printf '\n=== Done. Please look through this, and send it back with the issue tracker of the project.\n'
