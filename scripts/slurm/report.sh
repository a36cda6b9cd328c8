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
  "$lockstep" report "$1"/*/ --out "$1/report.html"
fi
