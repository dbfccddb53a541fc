"""A linear classifier that learns beside the network, as solo-learn's online classifier does."""

import dataclasses

import torch
from torch.nn import functional as F

from . import parallel
from .optimizer import create_optimizer


class OnlineProbe:
    """One linear layer on the encoder's features of the views, with the run's optimizer and schedule.

    It has its own learning rate and no weight decay. It sees features without gradients and draws its first weights
    from a generator of its own, so the network is the same with it and without.
    """

    def __init__(self, width, classes, config, device):
        self.config = dataclasses.replace(config, lr=config.online_probe_lr, weight_decay=0.0)
        self.layer = torch.nn.utils.skip_init(torch.nn.Linear, width, classes, device=device, dtype=torch.float32)
        generator = torch.Generator(device).manual_seed(config.seed)
        for weight in self.layer.parameters():  # as nn.Linear is initialised
            torch.nn.init.uniform_(weight, -(width**-0.5), width**-0.5, generator=generator)
        self.optimizer = create_optimizer(self.layer, self.config, device)

    def train_step(self, features, labels):
        """One step along the cross-entropy of features (N, width), averaged over the ranks."""
        loss = F.cross_entropy(self.layer(features.float()), labels)
        self.optimizer.zero_grad()
        loss.backward()
        for weight in self.layer.parameters():
            parallel.average(weight.grad)
        self.optimizer.step()

    @torch.no_grad()
    def accuracy(self, features, labels):
        """The share of features that are classified rightly."""
        return (self.layer(features).argmax(dim=1) == labels).float().mean().item()
