"""Stands in for launch.train and launch.evaluate, to try a sweep's scheduling in seconds:

    python -m tests.sweep_run train|evaluate WORKDIR STEPS SCRIPT DATA SPLIT

SCRIPT: comma-separated; of each start the first word that is left counts, and is taken off: "ok", "fail", "die" (by
SIGKILL), "hang" (saves and exits with 75 at SIGTERM), "lie" (ends well and leaves nothing). None left is "ok".
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from launch.figures import results
from launch.figures.data import Data


def main(work, workdir, steps, script, data, split):
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    starts = workdir / f"{work}.starts"
    number = len(starts.read_text()) if starts.exists() else 0
    with starts.open("a") as file:
        file.write("x")
    words = [word for word in script.split(",") if word][number:]
    word = words[0] if words else "ok"
    if word == "hang":
        signal.signal(signal.SIGTERM, lambda *_: ((workdir / "saved").touch(), sys.exit(75)))
        (workdir / "hangs").write_text(str(os.getpid()))
        time.sleep(60)
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "fail":
        print("error: config.steps: as the script says", file=sys.stderr)
        sys.exit(1)
    if word == "ok" and work == "train":
        (workdir / "checkpoints" / steps).mkdir(parents=True)
        (workdir / "metrics.jsonl").write_text(json.dumps({"step": int(steps), "time/step_seconds": 0.5}) + "\n")
        print("cores", sorted(os.sched_getaffinity(0)))
    if word == "ok" and work == "evaluate":
        result = {"protocol": "pose_l1_half_height", "constants": {}, "values": {"full_body": 0.25}, "counts": {}}
        setting = results.setting(Data(data, split)) if Path(data).is_dir() else {}
        line = json.dumps(result | {"source": {"step": int(steps)} | setting})
        (workdir / "evaluation.jsonl").write_text(line + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
