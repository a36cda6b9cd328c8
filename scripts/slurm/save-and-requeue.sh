# Sourced by the job scripts: a signal saves the run, and the job goes back into the queue if work is left.
# shellcheck shell=bash

max_requeues=20

# A task of an array shares its plain number with the whole array.
job=$SLURM_JOB_ID
[ -z "${SLURM_ARRAY_TASK_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# save_on_signal PID: --signal=B: sends USR2 to the batch shell alone, which passes it on. TERM is not passed on: at
# scancel it goes to all processes of the job at once, and a second one would end the run without saving; at preemption
# it goes to the tasks, which tell the coordinator. Never USR1, with which Node opens its debugger.
save_on_signal() {
  # shellcheck disable=SC2064 # The number is known now.
  trap "kill -USR2 $1 2>/dev/null" USR2
  trap : TERM
}

# exit_code_of PID: waits for it. A signal ends a `wait`, not what it waits for.
exit_code_of() {
  while kill -0 "$1" 2>/dev/null; do wait "$1"; done
  wait "$1"
}

# requeue_or_exit RUN CODE: back into the queue only if the run has ended well (asked to stop, it has saved), work is left
# (it writes summary.json when there is none) and nobody has cancelled the job.
requeue_or_exit() {
  if [ "$2" != 0 ] || [ -e "$1/summary.json" ]; then exit "$2"; fi
  [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ] || exit "$2"
  # --signal with more than the time limit would go on for ever.
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "$max_requeues" ]; then
    echo "saved, but $max_requeues times in the queue are enough; submitted with LOCKSTEP_RUN=$1 it goes on"
    exit 1
  fi
  echo "saved: back into the queue"
  scontrol requeue "$job"
  exit 0
}
