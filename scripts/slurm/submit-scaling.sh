#!/bin/bash
# Submits a scaling study, and its report for when all of it is done:
#   cd FOLDER-OF-LOCKSTEP && scripts/slurm/submit-scaling.sh CONFIG [more for `lockstep train`]
# LOCKSTEP_WORKERS says with how many workers, by default 1,2,4; sbatch has variables for its options, as SBATCH_ACCOUNT.
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")
name=lockstep-scaling
study=$(sbatch --parsable --job-name="$name" --array="${LOCKSTEP_WORKERS:-1,2,4}" "$scripts/scaling.sh" "$@")
report=$(sbatch --parsable --dependency="afterok:$study" "$scripts/report.sh" "runs/$name-$study")
echo "job $study trains, then job $report writes runs/$name-$study/report.html"
