"""Run as `python two_processes.py RANK SIZE FOLDER`: one of several processes that train one net together."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from small_training import SCHEDULE, Points, accuracy, cross_entropy, net

from untrimmed.train import Run, fit


def main(rank: int, size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    if size > 1:
        os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=str(rank))
        store = dist.FileStore(str(folder / "meeting"), size)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
    model = net(dropout=0.0)
    if rank:  # the first process's weights must win
        for parameter in model.parameters():
            parameter.data.add_(1.0)
    run = Run(folder=folder / f"run-{size}", device="cpu", checkpoint_every_steps=40)
    history = fit(model, Points(), cross_entropy, schedule=SCHEDULE, run=run, name="points", validate=accuracy)
    save_file(model.state_dict(), folder / f"final-{size}-{rank}.safetensors")
    (folder / f"losses-{size}-{rank}.txt").write_text(" ".join(repr(row.loss) for row in history.rows))
    if size > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
