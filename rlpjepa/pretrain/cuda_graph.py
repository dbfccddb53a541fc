"""A training step as one CUDA graph: hundreds of small kernels that the host launches at once."""

import gc

import torch

PLAIN_CALLS = 3  # warm-up before recording: cuDNN picks algorithms, lazy state is allocated


class StepGraph:
    """Work on the device that is done plainly a few times, then recorded as a CUDA graph and replayed.

    On small images a fast GPU computes a kernel sooner than the host launches the next one; a replay needs one launch
    for all of them. The numbers are those of plain calls, random ones included: each replay moves the generator on as
    a plain call does.

    Args:
        work: a function without arguments that changes tensors in place (weights, counters, the optimizer's state),
            never waits for the device, and always launches the same kernels.
        generator: the CUDA generator that the work draws from (torch's global one may be used besides).

    Raises:
        RuntimeError: at a call, if ``work`` cannot be recorded.
    """

    def __init__(self, work, generator):
        self.work, self.generator, self.stream = work, generator, torch.cuda.Stream(generator.device)
        self.calls, self.graph = 0, None

    def __call__(self):
        self.calls += 1
        if self.calls <= PLAIN_CALLS:  # on the stream on which it will be recorded
            current = torch.cuda.current_stream(self.generator.device)
            self.stream.wait_stream(current)
            with torch.cuda.stream(self.stream):
                self.work()
            current.wait_stream(self.stream)
            return
        if self.graph is None:
            graph = torch.cuda.CUDAGraph()
            if torch.__version__ < "2.14":  # from there on a generator is found where it is used
                graph.register_generator_state(self.generator)
            gc.collect()  # a graph that an earlier run left must not die while this one is recorded
            with torch.cuda.graph(graph, stream=self.stream):  # nothing is computed yet
                self.work()
            self.graph = graph
        self.graph.replay()
