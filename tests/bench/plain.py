"""The minimal example's step, written plainly from its description: what every speed ratio is measured against.

Per-image transforms through Pillow in the main process, one forward pass per view, target samples through
torch.distributions, directions drawn anew for each view; float32 on a CPU, float16 with a gradient scaler on CUDA.
"""

import torch
from torch import nn
from torchvision import transforms


def plain_sample_rgg(shape, p, mu):
    """ReLU(μ + σ·GN_p) with a random sign and a power of a Gamma variable (minimal example, section 3)."""
    log_variance = torch.lgamma(torch.tensor(3 / p)) - torch.lgamma(torch.tensor(1 / p))
    sigma = p ** (-1 / p) * torch.exp(-log_variance / 2)
    radius = torch.distributions.Gamma(1 / p, 1.0).sample(shape)
    sign = torch.bernoulli(torch.full(shape, 0.5)) * 2 - 1
    return torch.relu(mu + sigma * sign * (p * radius) ** (1 / p))


def plain_rdmreg(z, target, num_projections=256, directions=None):
    """Eq. 13 for one view: project, sort, mean squared difference (minimal example, section 4)."""
    if directions is None:
        directions = torch.randn(num_projections, z.shape[1], device=z.device)
        directions = directions / directions.norm(dim=1, keepdim=True)
    projected, wanted = z @ directions.T, target @ directions.T
    return ((projected.sort(dim=0).values - wanted.sort(dim=0).values) ** 2).mean()


class TwoViews(torch.utils.data.Dataset):
    """Two transformed copies of each image (minimal example, section 5)."""

    def __init__(self, images, mean, std):
        self.images = [transforms.functional.to_pil_image(image) for image in images]
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(32),
                transforms.RandomHorizontalFlip(),
                transforms.ColorJitter(0.4, 0.4, 0.4, 0.1),
                transforms.ToTensor(),
                transforms.Normalize(mean, std),
            ]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), self.transform(self.images[i])


class PlainNetwork(nn.Module):
    """ResNet-18 as timm gives it and the three-layer projector (minimal example, section 2)."""

    def __init__(self, dim=512):
        super().__init__()
        import timm

        self.backbone = timm.create_model("resnet18", num_classes=0)
        blocks = [nn.Sequential(nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU()) for _ in range(2)]
        self.projector = nn.Sequential(*blocks, nn.Linear(dim, dim), nn.ReLU())

    def forward(self, x):
        return self.projector(self.backbone(x))


class PlainTraining:
    """The minimal example's loop, one step at a time (section 6)."""

    def __init__(self, data, device, batch_size=256):
        self.device = device
        self.views, self.batch_size = TwoViews(data.train_images.cpu(), data.mean, data.std), batch_size
        self.batches = iter(())
        self.model = PlainNetwork().to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=1e-4)
        self.half = self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half)

    def loader(self, workers=0):
        """Batches of an epoch, two tensors (B, 3, 32, 32) each; so many workers draw the views, or this process."""
        options = {"shuffle": True, "drop_last": True, "num_workers": workers}
        return torch.utils.data.DataLoader(self.views, self.batch_size, **options)

    def steps(self, count, workers):
        """So many steps, with an epoch's start and loader workers."""
        done = 0
        while done < count:
            for batch in self.loader(workers):
                self.update(batch)
                done += 1
                if done == count:
                    break

    def step(self):
        batch = next(self.batches, None)
        if batch is None:
            self.batches = iter(self.loader())
            batch = next(self.batches)
        return self.update(batch)

    def update(self, batch):
        x1, x2 = (x.to(self.device) for x in batch)
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.float16, enabled=self.half):
            z1, z2 = self.model(x1), self.model(x2)
            target = plain_sample_rgg(z1.shape, 1.0, 0.0).to(self.device)
            invariance = ((z1 - z2) ** 2).mean()
            regularizer = (plain_rdmreg(z1, target) + plain_rdmreg(z2, target)) / 2
            loss = 25 * invariance + 125 * regularizer
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return invariance.item(), regularizer.item()
