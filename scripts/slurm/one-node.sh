#!/bin/bash
# One run on one node, one worker for each of its GPUs:
#   cd FOLDER-OF-LOCKSTEP && sbatch scripts/slurm/one-node.sh CONFIG [more for `lockstep train`]
# Settings, by sbatch's options or here; docs/hpc.md explains them.
#SBATCH --account=def-someprof
#SBATCH --job-name=lockstep
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=h100:4
#SBATCH --cpus-per-task=48
#SBATCH --mem=120G
#SBATCH --time=0-03:00
#SBATCH --output=%x-%j.out
# Five minutes before the time limit the run saves, and the job goes back into the queue.
#SBATCH --signal=B:USR2@300
#SBATCH --requeue --open-mode=append

# Where Lockstep is installed, where the run goes, and a tar of datasets that the node is to have on its own disk.
lockstep_home=${LOCKSTEP_HOME:-$SLURM_SUBMIT_DIR}
run=${LOCKSTEP_RUN:-$SLURM_SUBMIT_DIR/runs/$SLURM_JOB_NAME-$SLURM_JOB_ID}
data=${LOCKSTEP_DATA:-}

. "$lockstep_home/scripts/slurm/save-and-requeue.sh" || exit
command -v node >/dev/null || module load nodejs

if [ -n "$data" ]; then
  : "${SLURM_TMPDIR:?is not set on this cluster: export a folder on a local disk under this name}"
  tar -xf "$data" -C "$SLURM_TMPDIR" || exit
  export LOCKSTEP_CACHE=$SLURM_TMPDIR
fi

"$lockstep_home/bin/lockstep" train "$@" --workers "${SLURM_GPUS_ON_NODE:-1}" --out "$run" --resume &
training=$!
save_on_signal "$training"
exit_code_of "$training"
requeue_or_exit "$run" $?
