# Sourced by the job scripts: a signal saves the run, and the job goes back into the queue if work is left.
# shellcheck shell=bash

max_requeues=20
asked_to_stop=no

# A task of an array shares its plain number with the whole array.
job=$SLURM_JOB_ID
[ -z "${SLURM_ARRAY_TASK_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# save_on_signal PID: --signal=B: sends USR2 to the batch shell alone, which passes it on. TERM (scancel, preemption)
# goes to all processes of the job at once: passed on it would be the second, which ends the run without saving.
# Never USR1, with which Node opens its debugger.
save_on_signal() {
  # shellcheck disable=SC2064 # The number is known now.
  trap "asked_to_stop=yes; kill -USR2 $1 2>/dev/null" USR2
  trap 'asked_to_stop=yes' TERM
}

# exit_code_of PID: waits for it. A signal ends a `wait`, not what it waits for.
exit_code_of() {
  while kill -0 "$1" 2>/dev/null; do wait "$1"; done
  wait "$1"
}

# requeue_or_exit RUN CODE: back into the queue only if the run was asked to stop and has saved, work is left (the
# coordinator writes summary.json when there is none) and nobody has cancelled the job.
requeue_or_exit() {
  if [ "$asked_to_stop" = no ] || [ "$2" != 0 ] || [ -e "$1/summary.json" ]; then exit "$2"; fi
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
