#!/bin/bash
# Submits a scaling study, and its report for when all of it is done:
#   cd FOLDER-OF-LOCKSTEP && scripts/slurm/submit-scaling.sh CONFIG --workers 1,2,4,8 [--repeats R] [more for `lockstep scale`]
# Each run of the study is a job of its own: the tasks of an array for those of one node, of another one for those of two,
# and so on. LOCKSTEP_WORKERS_PER_NODE says how many GPUs a node has (by default 4, as scaling.sh asks for);
# sbatch has variables for its options, as SBATCH_ACCOUNT.
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")
per_node=${LOCKSTEP_WORKERS_PER_NODE:-4}

workers='' repeats=''
previous=''
for argument in "$@"; do
  case $previous in
    --workers) workers=$argument ;;
    --repeats) repeats=$argument ;;
  esac
  case $argument in
    --workers=*) workers=${argument#*=} ;;
    --repeats=*) repeats=${argument#*=} ;;
  esac
  previous=$argument
done
[ -n "$workers" ] || set -- "$@" --workers "${workers:=1,2,4}"
[ -n "$repeats" ] || set -- "$@" --repeats "${repeats:=3}"

# As `lockstep scale` runs them on one node: every repeat begins with another number of workers than the one before.
mapfile -t counts < <(tr , '\n' <<<"$workers" | sort -nu)
runs=()
declare -A tasks_on
for ((repeat = 0; repeat < repeats; repeat++)); do
  for ((i = 0; i < ${#counts[@]}; i++)); do
    count=${counts[(i + repeat) % ${#counts[@]}]}
    nodes=$(((count + per_node - 1) / per_node))
    tasks_on[$nodes]=${tasks_on[$nodes]:+${tasks_on[$nodes]},}${#runs[@]}
    runs+=("$count,$((repeat + 1))")
  done
done

# submit NODES [more for sbatch]: the runs on so many nodes, as one array.
submit() {
  sbatch "${@:2}" --nodes="$1" --ntasks-per-node="$per_node" --array="${tasks_on[$1]}" \
    "$scripts/scaling.sh" "$study" "${runs[*]}" "${arguments[@]}"
}

study=runs/scaling-$(date +%Y%m%d-%H%M%S)
arguments=("$@")
# All or nothing. Some clusters take a job of a size that they don't have, and let it wait for ever.
for nodes in "${!tasks_on[@]}"; do
  said=$(submit "$nodes" --test-only 2>&1) || {
    echo "nothing was submitted: Slurm refuses $nodes nodes with $per_node workers each (LOCKSTEP_WORKERS_PER_NODE): ${said##*: }" >&2
    exit 1
  }
done
mkdir -p runs && mkdir "$study" "$study/parts"
after=''
trap '[ -z "$after" ] || scancel ${after//:/ }' ERR
for nodes in "${!tasks_on[@]}"; do
  job=$(submit "$nodes" --parsable)
  after+=:${job%%;*}
done
# Also after runs that failed: the report names them.
report=$(sbatch --parsable --dependency="afterany$after" "$scripts/report.sh" "$study")
echo "jobs ${after:1} measure, then job ${report%%;*} writes $study/report.html"
