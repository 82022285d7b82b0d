#!/usr/bin/env bash
# A Slurm cluster of one machine, from Debian's packages (slurmctld, slurmd, munge): `cluster.sh start|stop FOLDER`, as root.
set -euo pipefail
action=$1 folder=$2
conf=$folder/slurm.conf
stop() {
    for name in slurmd slurmctld; do
        [ -f "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
    done
}
if [ "$action" = stop ]; then
    stop
    exit 0
fi
mkdir -p "$folder/state" "$folder/spool" /run/munge
chown munge: /run/munge /etc/munge/munge.key 2>/dev/null || true
pgrep -x munged >/dev/null || runuser -u munge -- munged
cat >"$conf" <<CONF
ClusterName=sslbench
SlurmctldHost=$(hostname)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1
ReturnToService=2
MpiDefault=none
KillWait=2
NodeName=$(hostname) CPUs=$(nproc) State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$conf
slurmctld
slurmd -N "$(hostname)"
for _ in $(seq 60); do
    if sinfo -h -o %T 2>/dev/null | grep -q idle; then exit 0; fi
    sleep 1
done
echo "the cluster did not come up; see $folder/slurmctld.log" >&2
stop
exit 1
