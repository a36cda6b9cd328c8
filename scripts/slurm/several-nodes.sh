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

. "$lockstep_home/scripts/slurm/save-and-requeue.sh" || exit
command -v node >/dev/null || module load nodejs
lockstep=$lockstep_home/bin/lockstep

if [ -n "$data" ]; then
  : "${SLURM_TMPDIR:?is not set on this cluster: export a folder on a local disk under this name}"
  # shellcheck disable=SC2016 # Each node's own.
  srun --ntasks="$SLURM_NNODES" --ntasks-per-node=1 bash -c 'tar -xf "$0" -C "$SLURM_TMPDIR"' "$data" || exit
  export LOCKSTEP_CACHE=$SLURM_TMPDIR
fi

# It needs no GPU.
CUDA_VISIBLE_DEVICES='' "$lockstep" coordinator "$@" --workers "$SLURM_NTASKS" --out "$run" --resume &
coordinator=$!
save_on_signal "$coordinator"
# Each worker takes one of its node's GPUs. One that is lost must not end the others.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --no-kill --kill-on-bad-exit=0 --wait=0 --label \
  "$lockstep" worker &
workers=$!

exit_code_of "$coordinator"
code=$?
# Now workers end by themselves, unless their node is gone and Slurm does not know yet.
timeout 10 tail --pid="$workers" -f /dev/null || kill "$workers"
wait "$workers"
requeue_or_exit "$run" "$code"
