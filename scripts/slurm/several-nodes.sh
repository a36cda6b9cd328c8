#!/bin/bash
# One run on several nodes, one worker a GPU:
#   cd FOLDER-OF-LOCKSTEP && sbatch scripts/slurm/several-nodes.sh CONFIG [more for `lockstep coordinator`]
# Settings, by sbatch's options or here; docs/hpc.md explains them.
#SBATCH --account=def-someprof
#SBATCH --job-name=lockstep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=h100:4
#SBATCH --cpus-per-task=12
#SBATCH --mem=120G
#SBATCH --time=0-03:00
#SBATCH --output=%x-%j.out
# Five minutes before the time limit the run saves, and the job goes back into the queue.
#SBATCH --signal=B:USR2@300
#SBATCH --requeue --open-mode=append
# A node that dies costs its workers, not the job.
#SBATCH --no-kill

# Where Lockstep is installed, where the run goes, and a tar of datasets that every node is to have on its own disk.
lockstep_home=${LOCKSTEP_HOME:-$SLURM_SUBMIT_DIR}
run=${LOCKSTEP_RUN:-$SLURM_SUBMIT_DIR/runs/$SLURM_JOB_NAME-$SLURM_JOB_ID}
data=${LOCKSTEP_DATA:-}
max_requeues=20

command -v node >/dev/null || module load nodejs
lockstep=$lockstep_home/bin/lockstep

if [ -n "$data" ]; then
  srun --ntasks="$SLURM_NNODES" --ntasks-per-node=1 bash -c 'tar -xf "$0" -C "$SLURM_TMPDIR"' "$data" || exit
  export LOCKSTEP_CACHE=$SLURM_TMPDIR
fi

# Slurm sends TERM to all processes of a job, but this USR2 to this shell alone.
asked_to_stop=no
trap 'asked_to_stop=yes; kill -USR2 "$coordinator"' USR2
trap 'asked_to_stop=yes' TERM

# It needs no GPU.
CUDA_VISIBLE_DEVICES='' "$lockstep" coordinator "$@" --workers "$SLURM_NTASKS" --out "$run" --resume &
coordinator=$!
# Each worker takes one of its node's GPUs. Those that are lost must not end the others.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --no-kill --kill-on-bad-exit=0 --wait=0 --label \
  "$lockstep" worker &
workers=$!

# A signal ends a `wait`, not what it waits for.
while kill -0 "$coordinator" 2>/dev/null; do wait "$coordinator"; done
wait "$coordinator"
code=$?
# Now workers end by themselves, unless their node is gone and Slurm does not know yet.
timeout 20 tail --pid="$workers" -f /dev/null || kill "$workers"
wait "$workers"

# Only if the run was stopped and saved, work is left (summary.json comes at its end), and nobody has cancelled the job.
if [ "$asked_to_stop" = yes ] && [ "$code" = 0 ] && [ ! -e "$run/summary.json" ] &&
  [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ]; then
  if [ "${SLURM_RESTART_COUNT:-0}" -lt "$max_requeues" ]; then
    echo "saved: back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
    exit
  fi
  echo "saved, but $max_requeues times in the queue are enough: submit it again with LOCKSTEP_RUN=$run to go on"
fi
exit "$code"
