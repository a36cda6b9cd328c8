#!/bin/bash
# One run of a scaling study, as a task of an array: submitted, with its report, by scripts/slurm/submit-scaling.sh.
#   scaling.sh STUDY "N,REPEAT N,REPEAT …" CONFIG [more for `lockstep scale`]
# A task measures the run at its place in the list.
#SBATCH --account=def-someprof
#SBATCH --job-name=lockstep-scaling
# As much of a node for every number of workers, so that nobody else's jobs share its GPUs.
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=h100:4
#SBATCH --cpus-per-task=12
#SBATCH --mem=120G
#SBATCH --time=0-00:30
#SBATCH --output=%x-%A_%a.out
# A run whose node dies, or that is preempted, is measured again.
#SBATCH --requeue --open-mode=append

lockstep_home=${LOCKSTEP_HOME:-$SLURM_SUBMIT_DIR}
study=$1
read -ra runs <<<"$2"
shift 2
run=${runs[$SLURM_ARRAY_TASK_ID]}
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

# It takes no GPU, but notes how many the node has.
"$lockstep" scale "$@" --only "$run" --launch remote --out "$study" &
coordinator=$!
# Each worker takes one of its node's GPUs.
srun --ntasks="${run%,*}" --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 --wait=0 --label \
  "$lockstep" worker &
workers=$!

# At scancel the coordinator hears of it itself, and notes that the run was stopped.
trap : TERM
exit_code_of "$coordinator"
code=$?
# Now workers end by themselves; those of a coordinator that never listened would wait for it.
patience=10
[ "$code" = 0 ] || patience=1
timeout "$patience" tail --pid="$workers" -f /dev/null || kill "$workers"
wait "$workers"
exit "$code"
