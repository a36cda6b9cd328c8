#!/bin/bash
# A scaling study: the same run with several numbers of workers, each on a node of its own, as an array whose numbers are
# the workers. Submitted with its report by scripts/slurm/submit-scaling.sh.
#SBATCH --account=def-someprof
#SBATCH --job-name=lockstep-scaling
#SBATCH --array=1,2,4
#SBATCH --nodes=1
#SBATCH --ntasks=1
# As much of a node for every number of workers, so that nobody else's jobs share it.
#SBATCH --gpus-per-node=h100:4
#SBATCH --cpus-per-task=48
#SBATCH --mem=120G
#SBATCH --time=0-03:00
#SBATCH --output=%x-%A_%a.out
#SBATCH --signal=B:USR2@300
#SBATCH --requeue --open-mode=append

lockstep_home=${LOCKSTEP_HOME:-$SLURM_SUBMIT_DIR}
run=$SLURM_SUBMIT_DIR/runs/$SLURM_JOB_NAME-$SLURM_ARRAY_JOB_ID/workers-$SLURM_ARRAY_TASK_ID
data=${LOCKSTEP_DATA:-}

. "$lockstep_home/scripts/slurm/save-and-requeue.sh" || exit
command -v node >/dev/null || module load nodejs

if [ -n "$data" ]; then
  tar -xf "$data" -C "$SLURM_TMPDIR" || exit
  export LOCKSTEP_CACHE=$SLURM_TMPDIR
fi

"$lockstep_home/bin/lockstep" train "$@" --workers "$SLURM_ARRAY_TASK_ID" --out "$run" --resume &
training=$!
save_on_signal "$training"
exit_code_of "$training"
requeue_or_exit "$run" $?
