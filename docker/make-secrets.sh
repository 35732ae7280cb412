#!/bin/sh
# Makes the secrets that docker-compose.yml reads, once: what is there already is left as it is.
set -eu
cd "$(dirname "$0")/.."

# Only the owner may enter the directory. The files themselves are readable, since in the containers they are read by
# users of other ids.
mkdir -p secrets
chmod 700 secrets
umask 022

keep() {
  if [ -s "secrets/$1" ]; then
    echo "secrets/$1 is there already"
    cat > /dev/null
  else
    cat > "secrets/$1"
    echo "secrets/$1 is made"
  fi
}

openssl rand -hex 32 | keep postgres-password
printf 'postgres://meterline:%s@postgres:5432/meterline\n' "$(cat secrets/postgres-password)" | keep database-url
printf 'first:%s\n' "$(openssl rand -base64 32)" | keep encryption-keys
printf 'mtl_%s\n' "$(openssl rand -hex 32)" | keep api-token
