#!/bin/bash
# A corpus as a Slurm job array: each job prepares the clips of its share of the speakers; a last step writes the dataset.
#
#   1. Set RAW, OUT and OPTIONS below. All machines must see both folders. JOBS is at most the number of speakers times views
#      (`stccl scan RAW`); --array must have the same number.
#   2. jobs=$(sbatch --parsable slurm.sh)
#      sbatch --dependency=afterany:$jobs --cpus-per-task=2 --wrap "stccl merge OUT"
#
# A job that was stopped, by its time limit or anything else, resumes when it is submitted again:
# sbatch --array=7,12 slurm.sh runs jobs 7 and 12 again. Until all jobs have finished, merge names the others and writes nothing.
#SBATCH --job-name=stccl
#SBATCH --array=1-48
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=2G
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --output=stccl-%A-%a.log
set -euo pipefail

JOBS=48
RAW=/data/MEAD
OUT=/scratch/$USER/mead-pairs
OPTIONS=(--views all)

exec stccl prepare "$RAW" "$OUT" "${OPTIONS[@]}" \
  --job "$SLURM_ARRAY_TASK_ID/$JOBS" --workers "$SLURM_CPUS_PER_TASK" --memory-mb "$SLURM_MEM_PER_CPU"
