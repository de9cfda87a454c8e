#!/usr/bin/env bash
# A command of launch/ on several GPU nodes under Slurm, a process for each GPU; training comes back after a time limit:
#
#   sbatch --nodes=2 --time=24:00:00 launch/scripts/slurm.sh launch.train --config configs/STAGE.py:VARIANT --workdir DIR
#
# Submitted from the repository's root on storage that all nodes share, with .venv in it. Options of sbatch override the
# lines below. Five minutes before the limit every process gets SIGTERM: training saves the step and ends with 75, and
# the job goes back into the queue under its number. Any other status ends the job with it.
#
# A process for each node: export JAX_LOCAL_DEVICE_IDS=0,1,2,3,4,5,6,7 and sbatch --ntasks-per-node=1 --cpus-per-task=64;
# without the variable JAX takes one GPU a process under Slurm.
#SBATCH --job-name=xdancer
#SBATCH --nodes=2
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
set -uo pipefail

# Processes end one another (launch/shell/peers.py); Slurm must not kill the rest at the first status that is not 0. Each
# sees all GPUs of its node, of which JAX takes that of its SLURM_LOCALID: so no --gpus-per-task.
status=0
srun --kill-on-bad-exit=0 .venv/bin/python -m "$@" || status=$?
if [ "$status" -eq 75 ]; then
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
