#!/bin/bash
# One report on all runs in a folder:  sbatch scripts/slurm/report.sh FOLDER
#SBATCH --account=def-someprof
#SBATCH --job-name=lockstep-report
#SBATCH --ntasks=1
#SBATCH --mem=2G
#SBATCH --time=0-00:15
#SBATCH --output=%x-%j.out

lockstep_home=${LOCKSTEP_HOME:-$SLURM_SUBMIT_DIR}
command -v node >/dev/null || module load nodejs
"$lockstep_home/bin/lockstep" report "$1"/*/ --out "$1/report.html"
