#!/bin/bash
# One report on all runs in a folder, or on the scaling study whose parts lie there:  sbatch scripts/slurm/report.sh FOLDER
#SBATCH --account=def-someprof
#SBATCH --job-name=lockstep-report
#SBATCH --ntasks=1
#SBATCH --mem=2G
#SBATCH --time=0-00:15
#SBATCH --output=%x-%j.out

lockstep_home=${LOCKSTEP_HOME:-$SLURM_SUBMIT_DIR}
command -v node >/dev/null || module load nodejs
lockstep=$lockstep_home/bin/lockstep

if [ -d "$1/parts" ]; then
  "$lockstep" scale --collect "$1"
else
  # Studies and comparisons may lie beside the runs: they have reports of their own.
  runs=()
  for folder in "$1"/*/; do
    if [ -e "$folder/run.json" ]; then runs+=("$folder"); fi
  done
  "$lockstep" report "${runs[@]}" --out "$1/report.html"
fi
