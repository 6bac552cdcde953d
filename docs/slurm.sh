#!/bin/bash
# A corpus as a Slurm job array: each job prepares the clips of its share of the speakers, the last writes the dataset.
#
#   1. Set RAW, OUT and OPTIONS below; both folders are seen by all machines. PARTS is at most the number of speakers times views
#      (`stccl scan RAW`), and the same number stands in --array.
#   2. jobs=$(sbatch --parsable slurm.sh)
#      sbatch --dependency=afterany:$jobs --cpus-per-task=2 --wrap "stccl merge OUT"
#
# A job that was ended, by its time limit or by anything else, goes on where it stopped: sbatch --array=7,12 slurm.sh
# does parts 7 and 12 again. merge names the parts that are not done and writes nothing until they are.
#SBATCH --job-name=stccl
#SBATCH --array=1-48
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=2G
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --output=stccl-%A-%a.log
set -euo pipefail

PARTS=48
RAW=/data/MEAD
OUT=/scratch/$USER/mead-pairs
OPTIONS=(--views all)

exec stccl prepare "$RAW" "$OUT" "${OPTIONS[@]}" \
  --shard "$SLURM_ARRAY_TASK_ID/$PARTS" --workers "$SLURM_CPUS_PER_TASK" --memory-mb "$SLURM_MEM_PER_CPU"
