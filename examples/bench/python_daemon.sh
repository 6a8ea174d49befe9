#!/bin/sh
# One promotion with clean-up the way of the Python daemon: it finds out what is there, and changes it, by docker commands
# and the words that they print. Ends as the agent does, for a scene with one image of each kind.
# Usage: python_daemon.sh FEATURE BASE CONTAINER LOCAL_VERSION NEW_VERSION, with DOCKER_HOST set.
set -eu
feature=$1 base=$2 container=$3 local_version=$4 new_version=$5

# The image of the container that runs, and the name under which it is known.
docker ps | grep -q "$container"
image=$(docker inspect "$container" | jq -r '.[].Image' | cut -d : -f 2 | cut -c 1-12)
docker images | grep "$image" >/dev/null
docker tag "$image" "$base:latest"
docker rm "$feature" >/dev/null

# What else there is of the feature: repository, tag and id of each image.
docker images | grep "$base " | grep -v latest | awk '{ print $1, $2, $3 }' | {
    local_image= repository= old=
    while read -r name tag id; do
        case "$name:$tag" in
            "$base:$local_version") local_image=$id ;;
            */"$base:$local_version") repository=$name ;;
            */"$base:$new_version") ;;
            */"$base":*) old="$old $name:$tag" ;;
        esac
    done
    docker rmi "$repository:$local_version" >/dev/null
    docker tag "$local_image" "$repository:$local_version"
    docker rmi "$base:$local_version" >/dev/null
    for name in $old; do
        docker rmi "$name" >/dev/null
    done
}
