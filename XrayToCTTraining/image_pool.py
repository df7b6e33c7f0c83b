"""The image pool of Shrivastava et al. 2017 (arXiv 1612.07828): the discriminator also sees earlier images."""

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to ``size`` images. Its choices come from torch's generator, which the engine seeds in every step."""

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def exchange(self, images: Tensor) -> Tensor:
        """For each image of (N, ...), with even chances, itself, or an earlier one whose place it takes."""
        result = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image.clone())
            elif float(torch.rand(())) < 0.5:
                place = int(torch.randint(0, self.size, ()))
                image, self.images[place] = self.images[place].to(image), image.clone()
            result.append(image)
        return torch.stack(result)
