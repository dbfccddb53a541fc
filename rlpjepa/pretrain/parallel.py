"""One run on several devices: ``torchrun --nproc-per-node N -m rlpjepa.pretrain -- --dataset ...``.

(Without the ``--`` torchrun takes ``--p`` for an option of its own.)

Every process (rank) holds the network and an equal share of each batch. Three things make N ranks compute what one
would: DistributedDataParallel averages the gradients, `gather` shows every rank the features of the whole batch (with
gradients: a feature is moved by every rank's directions), and each rank draws its own share of directions and target
samples, so that the work per rank does not grow with their number.
"""

import os

import torch
import torch.distributed as dist


def init(device):
    """Join the other ranks if torchrun started this process; returns this rank's device."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def stop():
    """Leave the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


def world_size():
    return dist.get_world_size() if dist.is_initialized() else 1


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


def gather(x, dim):
    """The ranks' tensors one after the other along dim, with gradients for all of them."""
    return x if world_size() == 1 else torch.cat(_Gather.apply(x).unbind(), dim)


class _Gather(torch.autograd.Function):
    """The ranks' tensors, stacked. (torch.distributed.nn's all_gather garbles gradients that are not contiguous.)"""

    @staticmethod
    def forward(ctx, x):
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx, grad):
        grad = grad.contiguous()
        dist.all_reduce(grad)  # every rank's loss pulls at every feature
        return grad[rank()]


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
