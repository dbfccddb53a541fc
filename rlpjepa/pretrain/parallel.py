"""One run on several devices: ``torchrun --nproc-per-node N -m rlpjepa.pretrain -- --dataset ...``.

(Without the ``--`` torchrun takes ``--p`` for an option of its own.)

Every process (rank) holds the network and an equal share of each batch. Three things make N ranks compute what one
would: DistributedDataParallel averages the gradients, `losses.gather` shows every rank the features of the whole batch
(with gradients: a feature is moved by every rank's directions), and each rank draws its own share of directions and
target samples, so that the work per rank does not grow with their number.
"""

import itertools
import os

import torch
import torch.distributed as dist


def init(device):
    """Join the other ranks: those of the group that this program has, else those that torchrun started beside this one.

    Returns:
        (device, started): this rank's device (in a group of the program's own, CUDA means its current device), and
        whether the group was started here, and so is to be stopped here.
    """
    started = not has_group() and int(os.environ.get("WORLD_SIZE", 1)) > 1
    if started:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        # With keys of its own: those of a group that has ended are still in the store, and would be taken for new.
        store, rank, size = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(f"rlpjepa {next(_groups)}", store)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    return device, started


_groups = itertools.count()  # that were started here, the same on every rank


def has_group():
    """Whether this process is in a group. (Not every build of torch can be in one.)"""
    return dist.is_available() and dist.is_initialized()


def rank():
    return dist.get_rank() if has_group() else 0


def world_size():
    return dist.get_world_size() if has_group() else 1


def wrap(model, device):
    """The model whose backward pass averages gradients over the ranks; on CUDA with synchronised BatchNorm."""
    if world_size() == 1:
        return model
    if device.type == "cuda":  # torch's SyncBatchNorm does not run on a CPU: there each rank normalises its own share
        model = synchronise_batchnorm(model)
    return torch.nn.parallel.DistributedDataParallel(model)


def synchronise_batchnorm(model):
    """The model with BatchNorm over the batches of all ranks."""
    from timm.layers import convert_sync_batchnorm  # torch's own would lose the activations in timm's BatchNormAct2d

    return convert_sync_batchnorm(model)


def average(x):
    """The mean over the ranks, without gradients."""
    if world_size() > 1:
        dist.all_reduce(x)
        x /= world_size()
    return x


def broadcast(x):
    """Rank 0's tensor, on every rank (in place)."""
    if world_size() > 1:
        dist.broadcast(x, 0)
    return x


def all_gather_object(value):
    """Every rank's value, as a list, on every rank."""
    values = [value] * world_size()
    if world_size() > 1:
        dist.all_gather_object(values, value)
    return values
