"""The diffusion segmenter with what only a measurement looks at: its numbers, its network, its captures."""

from __future__ import annotations

from torch import Tensor

from training.diffusion.denoiser import Denoiser
from training.errors import ConfigError
from training.records import FloatArray
from training.segmenters.diffusion import DiffusionSegmenter
from training.segmenters.experts import require_samples
from training.segmenters.images import require_image


class BareSegmenter(DiffusionSegmenter):
    """Draws as `DiffusionSegmenter` does, and shows how."""

    @property
    def network(self) -> Denoiser:
        """What it draws with."""
        return self._denoiser

    @property
    def refused_captures(self) -> int:
        """Shapes of batches whose walk a GPU would not capture, so that it is slower than it could be."""
        return 0 if self._graphs is None else len(self._graphs.refused)

    def predict(self, image: FloatArray, n: int, seed: int, *, replay: bool = False) -> FloatArray:
        """The clean masks whose signs are the masks of `draw`, all through the network at once: (N, H, W) in [-1, 1].

        Parameters
        ----------
        image, n, seed : as in `draw`; n is at most `batch`
        replay : as `draw` does it the next time: the second time for a shape a CUDA graph is captured, then replayed;
            False computes it step by step each time

        Raises
        ------
        DataFormatError
            If the image is not (H, W) with finite values in [0, 1].
        ConfigError
            If n is not one of 1 ... `batch`.
        DeviceError
            If the device has too little memory, or gave up.
        """
        require_samples(n)
        require_image(image)
        if n > self.batch:
            raise ConfigError(f"at most {self.batch} samples go through the network at once here, got {n}")
        h, w = image.shape
        with self._errors_told():
            images = self._padded([image]).repeat(n, 1, 1, 1)
            names = [(0, i) for i in range(n)]

            def noise(step: int) -> Tensor:
                return self._noise(names, [seed], step, images.shape[1:])

            x0 = self._graphs(images, noise) if replay and self._graphs is not None else self._final(images, noise)
            predicted: FloatArray = x0[:, 0, :h, :w].cpu().numpy()
        return predicted
