#!/bin/bash
# Training on several machines: one torchrun on each, which starts one process per GPU.
#
#   1. Set OUT, RUN and OPTIONS below. All machines must see both folders.
#   2. sbatch slurm-train.sh
#
# Five minutes before the time limit Slurm sends SIGTERM to this script, which passes it on: training saves the step that
# it is in and ends, and the job is queued again. It then resumes: RUN has its configuration and its last checkpoint. The number of processes has to stay the same.
#SBATCH --job-name=stccl-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=stccl-train-%j.log
set -euo pipefail

OUT=/scratch/$USER/mead-pairs
RUN=/scratch/$USER/metric
OPTIONS=(--preset paper --set backbone_weights=/data/arcface/iresnet50.pth)

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "$SLURM_GPUS_ON_NODE" \
  --rdzv-backend c10d --rdzv-endpoint "$head:29500" --rdzv-id "$SLURM_JOB_ID" \
  --no-python stccl train "$OUT" "$RUN" "${OPTIONS[@]}" &
training=$!
stopping=no
trap 'stopping=yes; kill -TERM "$training"' TERM
code=0
wait "$training" || code=$?
if [ "$stopping" = yes ]; then
  wait "$training" || true # the first wait ended when the signal came
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
