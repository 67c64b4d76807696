# One line is one run of a shell: $I is the image, $F an empty folder. Blank lines part the walks.
docker run --rm $I echo hi
docker run --rm $I sh -c 'echo out; echo err >&2; exit 3'
docker run --rm -e A=1 -e B $I env | sort
docker run --rm -h host1 --domainname dom $I sh -c 'hostname; cat /etc/hostname; sed -n "s/^172.*host1/IP host1/p" /etc/hosts'
docker run --rm -u 1000:1001 --group-add 7 $I id
docker run --rm -u nosuch $I id
docker run --rm --group-add nosuchgroup $I id
docker run --rm --read-only $I touch /x
docker run --rm --tmpfs /t:size=1m,mode=700 $I sh -c 'grep " /t " /proc/mounts; ls -ld /t | cut -c1-10'
docker run --rm --shm-size 8m $I sh -c 'grep shm /proc/mounts'
docker run --rm $I sh -c 'ls -a / | grep dockerenv; grep Cap /proc/self/status; grep -i seccomp: /proc/self/status'
docker run --rm --cap-add NET_ADMIN --cap-drop CHOWN $I grep CapEff /proc/self/status
docker run --rm --cap-add NOSUCH $I true
docker run --rm --security-opt no-new-privileges $I grep NoNew /proc/self/status
docker run --rm --security-opt nosuch=x $I true
docker run --rm --ulimit nofile=100:200 $I sh -c 'ulimit -n; ulimit -Hn'
docker run --rm --sysctl net.ipv4.ip_forward=1 $I cat /proc/sys/net/ipv4/ip_forward
docker run --rm --add-host foo:1.2.3.4 --add-host bar:host-gateway $I sh -c 'grep foo /etc/hosts; grep -c bar /etc/hosts'
docker run --rm --network none $I sh -c 'tail -n +3 /proc/net/dev | cut -d: -f1; cat /etc/hosts'
docker run --rm --network nosuch $I true
docker run --rm --network container:nosuch $I true
docker run --rm --pid container:nosuch $I true
docker run --rm --link nosuch:x $I true
docker run --rm --volumes-from nosuch $I true
docker run --rm --uts host -h x $I true
docker run --rm --isolation bad $I true
docker run --rm --gpus all $I true
docker run --rm --storage-opt size=1G $I true
docker run --rm --cpus 500 $I true
docker run --rm --cpuset-cpus 99 $I true
docker run --rm -m 1m $I true
docker run --rm -m 16m --memory-swap 8m $I true
docker run --rm --oom-score-adj 2000 $I true
docker run --rm --stop-signal NOSUCH $I true
docker run --rm --log-driver none $I echo x
docker run --rm --log-opt nosuch=1 $I echo x
docker run --rm --pull never nosuchimage true
docker run --rm -v rel:/v:badmode $I true
docker run --rm -v /tmp:/ $I true
docker run --rm --mount type=bind,src=/nosuchdir-abc,dst=/v $I true
docker run --rm --mount type=tmpfs,dst=/v,tmpfs-size=1m,tmpfs-mode=1777 $I grep " /v " /proc/mounts
docker run --rm --mount type=bad,dst=/v $I true
docker run --rm -v aa:/v -v bb:/v $I true
docker run --rm --name 'bad name' $I true
docker run --rm --health-cmd 'exit 0' --health-interval 1us $I true
docker run --rm --cidfile $F/cid $I true; cat $F/cid
docker run --rm --pids-limit -1 $I cat /sys/fs/cgroup/pids/pids.max
docker run -d --name pl --pids-limit 20 $I sleep 1000; docker update --pids-limit -1 pl; docker exec pl cat /sys/fs/cgroup/pids/pids.max; docker update --pids-limit 30 pl; docker exec pl cat /sys/fs/cgroup/pids/pids.max; docker update --cpu-shares 200 pl; docker rm -f pl
docker run --rm --memory-reservation 1k $I true
docker run --rm --cpus 0.5 --cpu-period 1000 $I true
docker run --rm --cpuset-cpus bad $I true
docker run --rm --runtime io.containerd.runc.v2 $I echo ok
docker run --rm --tmpfs /t:bad=1 $I true; docker run --rm --tmpfs /t:bad $I true; docker run --rm --tmpfs /t:rw,noexec,size=1m,mode=1777 $I echo ok
docker run --rm --mount dst=/b,type=volume,readonly $I touch /b/x
docker run --rm --hostname 'bad_host!' $I hostname
docker run --rm -u root:nosuch $I id
docker create --log-opt max-size=1m --log-opt max-file=2 --log-opt compress=true $I true | grep -c .; docker rm $(docker ps -lq) | grep -c .

docker run -d --name a1 --expose 80 -e X=1 $I sleep 1000
docker run --rm --network container:a1 -h x $I true
docker run --rm --network container:a1 -p 80:80 $I true
docker run --rm --network container:a1 --dns 1.1.1.1 $I true
docker run --rm --network container:a1 --link a1:b $I true
docker run --rm --network host --link a1:x $I true
docker run --rm --link a1:lnk --name a2 $I sh -c 'env | grep LNK | sed "s/172[0-9.]*/IP/g"; grep -c lnk /etc/hosts'
docker rm -f a1
