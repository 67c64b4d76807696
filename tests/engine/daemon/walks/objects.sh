docker create --name c1 $I sh -c 'echo out; sleep 0.2; echo err 1>&2; exit 4'
docker ps -a --filter name=c1 --format '{{.Status}}|{{.State}}|{{.Size}}'
docker logs c1; docker wait c1; docker start -a c1; docker wait c1
docker inspect c1 -f '{{json .State}}'
docker logs c1; docker logs --tail 1 c1; docker logs --since 1h c1; docker logs --details c1; docker logs -n 0 c1
docker cp c1:/etc/passwd $F/pw; head -1 $F/pw; docker cp c1:/nosuch $F/; docker cp $F/pw c1:/nosuchdir/x; docker cp $F/pw c1:/new; docker diff c1; docker cp c1:/etc/passwd - | tar t
docker commit -a me -m msg -c 'CMD ["x"]' -c 'ENV A=B' -c 'EXPOSE 80' -c 'LABEL l=1' -c 'HEALTHCHECK --interval=3s --retries=2 CMD x' c1 commtest:1; docker image inspect commtest:1 -f '{{json .Config}} {{.Author}} {{.Comment}} {{.RepoTags}} {{.RepoDigests}} {{len .RootFS.Layers}}'; docker rmi commtest:1 | sed 's/sha256:.*/sha/'
docker commit -c 'RUN x' c1; docker commit nosuch; docker commit c1 BAD:UP; docker commit c1 'sha256:abc'
docker kill c1; docker kill nosuch; docker rename c1 ''; docker rm nosuch; docker rm c1

docker tag $I t/one:a; docker tag $I t/one; docker tag nosuch x; docker tag $I sha256:abc
docker images t/one --format '{{.Repository}}:{{.Tag}}'; docker images 't/*' --format '{{.Tag}}'; docker images --filter reference='t/one:a' --format '{{.Tag}}'; docker images --filter before=nosuch -q; docker images nosuch
docker rmi t/one:a t/one:latest; docker rmi nosuch; docker history nosuch
docker create --name ex $I true; docker export ex -o $F/e.tar; docker rm ex; docker import -c 'CMD ["a"]' -m hello $F/e.tar imp:2; docker image inspect imp:2 -f '{{json .Config}} {{.Comment}} {{.Os}}'; docker rmi imp:2 | grep -c .

docker network create --subnet 10.97.0.0/24 --ip-range 10.97.0.128/25 --gateway 10.97.0.254 --aux-address h=10.97.0.200 --label a=b --attachable n3; docker network create n3; docker network create -d overlay n2; docker network create -d host n2; docker network create bridge; docker network create --subnet 10.97.0.0/16 n4; docker network create --scope bad n9; docker network create --ingress n12
docker network inspect n3 -f '{{json .IPAM}} {{json .Options}} {{json .Labels}} {{.Internal}} {{.Attachable}} {{.EnableIPv6}} {{json .Containers}} {{json .ConfigFrom}} {{.ConfigOnly}}'
docker run -d --name nc --network n3 --ip 10.97.0.130 --network-alias al $I sleep 1000; docker inspect nc -f '{{json (index .NetworkSettings.Networks "n3").Aliases}} {{(index .NetworkSettings.Networks "n3").IPAddress}}'
docker network connect n3 nc; docker network connect nosuch nc; docker network connect host nc; docker network connect none nc; docker network connect --ip 1.1.1.1 bridge nc
docker network rm nosuch; docker network rm bridge; docker network prune -f; docker rm -f nc; docker network rm n3

docker volume create v1; docker volume create v1; docker volume create 'a b'; docker volume create x
docker run -d --name vc -v v1:/data $I sleep 1000; docker exec vc sh -c 'echo x > /data/f'; docker volume rm v1; docker run --rm --volumes-from vc $I cat /data/f; docker run --rm --volumes-from vc:ro $I touch /data/g; docker run --rm --volumes-from vc:bad $I true
docker rm -fv vc; docker volume rm v1; docker volume rm nosuch; docker volume rm -f nosuch

docker create --name p1 --label k=v -v /vv -p 8081:80 --expose 90 $I true; docker run --name p2 $I sh -c 'exit 5'; docker run -d --name p3 -p 127.0.0.1:8082:80/udp $I sleep 1000
docker ps -a --format '{{.Names}}' --filter status=created; docker ps -a --format '{{.Names}}' --filter exited=5; docker ps --format '{{.Names}} {{.Ports}}' --filter publish=8082/udp; docker ps --format '{{.Names}}' --filter publish=8000-9000/udp; docker ps -a --format '{{.Names}}' --filter expose=90; docker ps -a --format '{{.Names}}' --filter before=p3; docker ps -a --format '{{.Names}}' --filter since=p1; docker ps -n 2 --format '{{.Names}}'; docker ps -l --format '{{.Names}}'; docker ps -a --format '{{.Names}}' --filter ancestor=$I; docker ps -a --format '{{.Names}}' --filter volume=/vv; docker ps -a --format '{{.Names}}' --filter network=bridge; docker ps -a --format '{{.Names}}' --filter label=k=v; docker ps -a --format '{{.Names}}' --filter name=^/p1$; docker ps --format '{{.Names}}' --filter health=none
docker port p3; docker port p3 80; docker port p3 80/udp; docker port p1; docker port nosuch
docker top p3 | head -1; docker exec p3 sh -c 'exit 7'; docker exec p3 nosuch; docker exec -u nosuchuser p3 pwd; docker exec -t p3 tty; echo foo | docker exec -i p3 cat; docker pause p3; docker pause p3; docker exec p3 true; docker unpause p3; docker unpause p3
docker update --restart on-failure:2 p3; docker inspect -f '{{json .HostConfig.RestartPolicy}}' p3; docker update -m 64m --memory-swap 128m p3; docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} {{.HostConfig.MemorySwappiness}}' p3; docker update -m 1k p3
docker container prune -f --filter label!=k | tail -1; docker ps -a --format '{{.Names}}'; docker rm -f p1 p3; sleep 1.1; docker events --since 1h --until 0s --filter container=p3 --filter type=container --format '{{.Action}}' | tail -3

docker run -d --name cv -v $F:/ro:ro --read-only $I sleep 1000; echo x > $F/f; docker cp $F/f cv:/x; docker cp $F/f cv:/ro/x; docker rm -f cv
chown 7:8 $F/f; docker run -d --name ca $I sleep 1000; docker run -d -u 33 --name cb $I sleep 1000; docker cp -a $F/f ca:/a; docker exec ca stat -c %u:%g /a; docker cp -a $F/f cb:/a; docker exec cb stat -c %u:%g /a; docker cp $F/f cb:/tmp/b; docker exec cb stat -c %u:%g /tmp/b; docker rm -f ca cb
docker volume create v1; docker volume create --opt type=tmpfs --opt device=tmpfs v3; docker volume ls -q --filter name=^v1$; docker volume ls -q --filter 'name=v[13]'; docker volume prune -f --filter label!=zz | grep v3; docker volume rm v3
docker network create --subnet 10.92.0.0/24 --subnet 10.93.0.0/24 nx
