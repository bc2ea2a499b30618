# Ends all processes of one cluster when the process that holds the other end of stdin is gone, in
# whatever way it went. $1: the cluster's state directory. $2: the environment entry its processes carry.
trap '' HUP INT QUIT TERM
while read -r order; do
    if [ "$order" = keep ]; then exit 0; fi
done
cd /
attempt=0
# Again and again, because a launcher may start one more process while we look.
while [ "$attempt" -lt 200 ]; do
    pids=$(grep -lFs -- "$2" /proc/[0-9]*/environ | tr -dc '0-9\n')
    if [ -z "$pids" ]; then break; fi
    kill -KILL $pids 2>/dev/null
    attempt=$((attempt + 1))
    sleep 0.05
done
rm -rf -- "$1"
