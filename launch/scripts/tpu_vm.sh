#!/usr/bin/env bash
# A command of launch/ on all hosts of a Cloud TPU slice; training starts again where it was interrupted (status 75):
#
#   TPU=NAME ZONE=ZONE launch/scripts/tpu_vm.sh launch.train --config configs/STAGE.py:VARIANT --workdir gs://BUCKET/RUN
#
# Run it in tmux where gcloud is signed in: it lasts as long as the command. The hosts have the repository, with .venv in
# it, in ~/xdancer_jax. gcloud ends with the first host's status that is not 0; all hosts of a run that was interrupted
# end with 75. Any other status ends this with it.
set -uo pipefail
: "${TPU:?give the name of the TPU, TPU=NAME}" "${ZONE:?give its zone, ZONE=us-west4-a}"

command="cd xdancer_jax && .venv/bin/python -m$(printf ' %q' "$@")"
status=75
while [ "$status" -eq 75 ]; do
  status=0
  gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all --command="$command" || status=$?
done
exit "$status"
