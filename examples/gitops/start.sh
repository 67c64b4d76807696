#!/bin/sh
# A repository to follow, in the folder named: bare, with a clone to commit from, and agent.yaml that points to it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?name a folder}
mkdir -p "$folder"
git init -q --bare -b main "$folder/repository.git"
cp -R "$here/repository" "$folder/clone"
cd "$folder/clone"
git init -q -b main
git config user.name Example
git config user.email example@localhost
git add .
git commit -qm "Say hello"
git remote add origin "$folder/repository.git"
git push -q --set-upstream origin main
sed "s,/srv/gitops,$folder," "$here/agent.yaml" > "$folder/agent.yaml"
