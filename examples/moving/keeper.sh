# One line a start: what was written on one machine is told on the next.
busybox mkdir -p /entries/days
busybox chown 33:33 /entries
busybox chmod 2750 /entries
echo "entry $(($(busybox cat /entries/days/log 2>/dev/null | busybox wc -l) + 1))" >> /entries/days/log
busybox cat /entries/days/log
exec busybox sleep 100000
