"""Chapter 03. Directions on the unit sphere: every direction turns a cloud of points into numbers on a line."""

import torch


def random_directions(n, d, *, orthogonal=False, device=None, dtype=None, generator=None):
    """Draw unit vectors uniformly from the ℓ2 sphere in dimension d (section "Cramér-Wold Theorem").

    Args:
        n: how many directions.
        d: dimension of the space.
        orthogonal: draw blocks of d mutually orthogonal directions; the last block may be incomplete. Each direction
            alone is still uniform.
        device, dtype, generator: as in ``torch.randn``.

    Returns:
        (n, d) tensor whose rows have ℓ2 norm 1.

    Raises:
        ValueError: if n or d is not a positive integer.
    """
    for name, value in (("n", n), ("d", d)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    options = {"device": device, "dtype": dtype, "generator": generator}
    if not orthogonal:
        # A Gaussian vector points in every direction alike, whatever its length.
        return torch.nn.functional.normalize(torch.randn(n, d, **options), dim=1)
    blocks = torch.randn(-(-n // d), d, d, **options)
    q, r = torch.linalg.qr(blocks)
    # QR alone prefers some signs; with the signs of R's diagonal, Q is uniform over the orthogonal group.
    q = q * torch.diagonal(r, dim1=1, dim2=2).sign()[:, None, :]
    return q.mT.reshape(-1, d)[:n]
